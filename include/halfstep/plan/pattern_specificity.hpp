// How much a regular expression says literally: what decides between several that match one name.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace halfstep {

/// What is compared between two expressions; the greater is the more specific.
struct pattern_specificity {
  /// Whether at least 8 characters are literal, and a digit is among them: most likely the name of one block.
  enum class kind : std::uint8_t { general, numbered };

  kind what = kind::general;
  std::size_t literals = 0;

  friend constexpr auto operator<=>(pattern_specificity const&, pattern_specificity const&) = default;
};

namespace detail {

/// Returns the place behind the class that begins at `i` with its bracket, in a Perl expression.
constexpr std::size_t behind_class(std::string_view text, std::size_t i) {
  ++i;
  if (i < text.size() && text[i] == '^') ++i;
  if (i < text.size() && text[i] == ']') ++i;
  while (i < text.size() && text[i] != ']') {
    bool const is_named =
        text[i] == '[' && i + 1 < text.size() && (text[i + 1] == ':' || text[i + 1] == '=' || text[i + 1] == '.');
    if (is_named) {
      std::size_t const end = text.find(']', i + 2);
      i = end == std::string_view::npos ? text.size() : end + 1;
    } else {
      i += text[i] == '\\' ? 2 : 1;
    }
  }
  return std::min(i + 1, text.size());
}

/// Returns the place behind what follows the opening parenthesis at `i` and is no part of the group's content, as in `(?:`.
constexpr std::size_t behind_group_opening(std::string_view text, std::size_t i) {
  if (i + 1 >= text.size() || text[i + 1] != '?') return i + 1;
  std::size_t at = i + 2;
  if (at < text.size() && text[at] == '#') return std::min(text.find(')', at), text.size());
  bool const is_named = at < text.size() && (text[at] == '<' || text[at] == '\'' || text[at] == 'P') && at + 1 < text.size() &&
                        text[at + 1] != '=' && text[at + 1] != '!';
  std::string_view const ends = is_named ? ">'" : ":=!>|)";
  at = text.find_first_of(ends, is_named ? at + 2 : at);
  if (at == std::string_view::npos) return text.size();
  return text[at] == ')' ? at : at + 1;
}

}  // namespace detail

/// Returns how specific the Perl expression `text` is: its literal characters are those outside metacharacters, classes and
/// quantifiers.
///
/// An escaped punctuation mark is one literal character, an escaped letter or digit (`\d`, `\b`, `\1`) none; `\Q..\E` is literal.
constexpr pattern_specificity specificity_of(std::string_view text) {
  pattern_specificity found;
  bool has_digit = false;
  auto const count = [&](char c) {
    ++found.literals;
    has_digit = has_digit || (c >= '0' && c <= '9');
  };
  auto const is_word = [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); };
  for (std::size_t i = 0; i < text.size();) {
    char const c = text[i];
    if (c == '\\') {
      char const escaped = i + 1 < text.size() ? text[i + 1] : '\\';
      if (escaped == 'Q') {
        std::size_t const end = std::min(text.find("\\E", i + 2), text.size());
        for (char const quoted : text.substr(i + 2, end - i - 2)) count(quoted);
        i = end + 2;
        continue;
      }
      if (!is_word(escaped)) count(escaped);
      i += 2;
    } else if (c == '[') {
      i = detail::behind_class(text, i);
    } else if (c == '(') {
      i = detail::behind_group_opening(text, i);
    } else if (c == '{') {
      i = std::min(text.find('}', i), text.size() - 1) + 1;
    } else {
      if (std::string_view(".*+?|)^$").find(c) == std::string_view::npos) count(c);
      ++i;
    }
  }
  if (has_digit && found.literals >= 8) found.what = pattern_specificity::kind::numbered;
  return found;
}

}  // namespace halfstep
