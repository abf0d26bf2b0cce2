// Names of layers that differ in the number of their block alone.
#pragma once

#include <algorithm>
#include <cstddef>
#include <string>
#include <string_view>

#include <halfstep/plan/rule.hpp>

namespace halfstep {

namespace detail {

/// Returns `name` with the number of each block replaced by `number`, and what stands between them as `spell` spells it.
template <class Spell>
std::string with_numbers_replaced(std::string_view name, std::string_view number, Spell spell) {
  std::string text;
  for (std::size_t begin = 0; begin <= name.size();) {
    std::size_t const end = std::min(name.find_first_of("._", begin), name.size());
    bool const starts = begin == 0 || name[begin - 1] == '.' || (end < name.size() && name[end] == '_');
    bool const ends = end == name.size() || name[end] == '.' || (begin > 0 && name[begin - 1] == '_');
    auto const piece = name.substr(begin, end - begin);
    text += is_number(piece) && starts && ends ? std::string(number) : spell(piece);
    if (end < name.size()) text += spell(name.substr(end, 1));
    begin = end + 1;
  }
  return text;
}

/// Returns `text` as a Perl expression that matches nothing else.
inline std::string literal_expression(std::string_view text) {
  std::string expression;
  for (char const c : text) {
    if (std::string_view(".[]{}()\\*+?|^$").find(c) != std::string_view::npos) expression += '\\';
    expression += c;
  }
  return expression;
}

}  // namespace detail

/// Returns `name` with the number of each block replaced by `*`: numbers between dots, or between underscores.
inline std::string name_pattern(std::string_view name) {
  return detail::with_numbers_replaced(name, "*", [](std::string_view piece) { return std::string(piece); });
}

/// Returns the Perl expression that matches `name` and the names that differ from it in the numbers of blocks, and no others.
inline std::string block_expression(std::string_view name) {
  return "^" + detail::with_numbers_replaced(name, "\\d+", detail::literal_expression) + "$";
}

/// Returns the Perl expression that matches `name` alone.
inline std::string name_expression(std::string_view name) { return "^" + detail::literal_expression(name) + "$"; }

}  // namespace halfstep
