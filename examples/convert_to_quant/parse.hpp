// From the arguments of main to options.
#pragma once

#include <string>
#include <variant>
#include <vector>

#include "options.hpp"

namespace convert_to_quant {

/// A text that was asked for instead of work: help or version.
struct information {
  std::string text;
};

/// Returns the options that `arguments` (without the program's name) ask for, or the text they ask for.
///
/// Throws halfstep::usage_error for unknown flags (naming the nearest), flags not built yet, bad values and contradictions.
std::variant<options, information> parse(std::vector<std::string> arguments);

}  // namespace convert_to_quant
