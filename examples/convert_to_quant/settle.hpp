// From what was given to what is meant: defaults that depend on others, contradictions, and notes.
#pragma once

#include <string>
#include <vector>

#include "options.hpp"

namespace convert_to_quant {

/// Whether a flag was given that says how layers are stored: without any, a run takes a whole recipe.
bool any_format_flag(options const& o);

/// Fills in what depends on other flags, and says which of the `given` flags, in their canonical spelling, change nothing.
///
/// Throws halfstep::usage_error for values out of range and for contradictions.
void settle(options& o, std::vector<std::string> const& given);

}  // namespace convert_to_quant
