// What is written from the table of flags for others than the terminal's reader: shells, `man`, and the documentation.
#pragma once

#include <string>
#include <string_view>

namespace convert_to_quant {

/// The words that `--print` takes, as they are documented.
inline constexpr std::string_view printable = "{bash, zsh, man, markdown}";

/// Returns completions for bash or zsh, a man page, or the reference of flags in Markdown. Throws halfstep::usage_error for
/// another word.
std::string printed(std::string_view what);

}  // namespace convert_to_quant
