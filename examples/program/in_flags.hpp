// The library's sentences in the words of a command line.
#pragma once

#include <span>
#include <string>
#include <string_view>

namespace program {

/// An option under the name that the library has for it, without its backticks, and the flag that sets it.
struct option_name {
  std::string_view name;
  std::string_view flag;
};

/// Returns `text` with flags in place of the names of options, which the library puts into backticks: "keep it with `exclude`" is
/// "keep it with --exclude-layers" where `names` say so. What no row names stays.
std::string in_flags(std::string_view text, std::span<option_name const> names);

}  // namespace program
