// Files that are written beside the output are none of a run's others.
#pragma once

#include <string>
#include <string_view>

#include "options.hpp"

namespace convert_to_quant {

/// Throws usage_error where the file `path` of `flag`, which is written beside the output, would replace an input or the output
/// itself; an empty path is no file.
void require_apart(options const& o, std::string_view flag, std::string const& path);

}  // namespace convert_to_quant
