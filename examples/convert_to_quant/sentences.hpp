// The library's sentences in the words of the command line.
#pragma once

#include <string>
#include <string_view>

#include <halfstep/plan/planned.hpp>

namespace convert_to_quant {

/// Returns `text` with the flags of this program in place of the names that the library has for its options, which stand in
/// backticks: "keep it with `exclude`" is "keep it with --exclude-layers" here.
std::string in_flags(std::string_view text);

/// Returns `p` with all that is said of it in the words of the command line.
halfstep::plan in_flags(halfstep::plan p);

}  // namespace convert_to_quant
