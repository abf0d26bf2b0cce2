// Backticks that hold no option's name are left alone: tensors and keys of files stand in them too.
#include "in_flags.hpp"

#include <algorithm>

namespace program {

std::string in_flags(std::string_view text, std::span<option_name const> names) {
  std::string out;
  while (!text.empty()) {
    auto const begin = std::min(text.find('`'), text.size());
    out += text.substr(0, begin);
    text.remove_prefix(begin);
    if (text.empty()) break;
    auto const end = text.find('`', 1);
    auto const row =
        end == std::string_view::npos ? names.end() : std::ranges::find(names, text.substr(1, end - 1), &option_name::name);
    out += row == names.end() ? text.substr(0, 1) : row->flag;
    text.remove_prefix(row == names.end() ? 1 : end + 1);
  }
  return out;
}

}  // namespace program
