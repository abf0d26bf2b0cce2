// What an error advises, by the flags that were given: what is missing, and never what is there already.
#pragma once

#include <span>
#include <string>

#include "options.hpp"

namespace convert_to_quant {

/// Returns `text`, an error in flags, without advice that `arguments` follow already: a flag that was given is to be widened,
/// or another is left of several.
std::string beyond_given(std::string text, std::span<std::string const> arguments);

/// Throws usage_error, naming all flags that are needed at once, where `o`, as it was given, asks for codes that stock ComfyUI
/// computes garbage of: smoothed ones, or those of QuIP's transformed storage.
void require_other_markers(options const& o);

}  // namespace convert_to_quant
