#include "declaration.hpp"

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <cstring>

#include "bits.hpp"
#include "error.hpp"
#include "scalar.hpp"
#include "text.hpp"

namespace ptx {

namespace {

bool starts_with(std::string_view s, char a, char b) {
  return s.size() > 2 && s[0] == a && (s[1] == b || s[1] == static_cast<char>(b - 'a' + 'A'));
}

int whole_number(std::string_view s) { return static_cast<int>(parse_literal(s)); }

}  // namespace

std::uint64_t parse_literal(std::string_view text) {
  std::string_view s = text;
  bool const is_negative = !s.empty() && s.front() == '-';
  if (!s.empty() && (s.front() == '-' || s.front() == '+')) s.remove_prefix(1);
  bool const is_pattern = starts_with(s, '0', 'f') || starts_with(s, '0', 'd');
  bool const is_hexadecimal = is_pattern || starts_with(s, '0', 'x');
  if (is_hexadecimal) s.remove_prefix(2);
  if (!s.empty() && (s.back() == 'U' || s.back() == 'u') && !is_pattern) s.remove_suffix(1);
  std::uint64_t v = 0;
  auto const [end, error] = std::from_chars(s.data(), s.data() + s.size(), v, is_hexadecimal ? 16 : 10);
  if (s.empty() || error != std::errc{} || end != s.data() + s.size()) throw unknown("a literal: " + std::string(text));
  return is_negative ? 0 - v : v;
}

declaration parse_declaration(std::string_view text) {
  declaration d;
  std::string_view initial;
  if (std::size_t const equals = text.find('='); equals != std::string_view::npos) {
    initial = trimmed(text.substr(equals + 1));
    text = text.substr(0, equals);
  }
  int element_bytes = 0, count = 1;
  bool is_array_without_size = false;
  auto const parts = words(text);
  for (std::size_t i = 0; i < parts.size(); ++i) {
    std::string_view const word = parts[i];
    if (word == ".extern") {
      d.is_external = true;
    } else if (word == ".visible" || word == ".weak" || word == ".common" || word == ".ptr" || word == ".attribute(.managed)") {
    } else if (word == ".shared" || word == ".global" || word == ".const" || word == ".local" || word == ".param") {
      if (d.space.empty()) d.space = word;  // `.param .u64 .ptr .global name`: where the pointer leads
    } else if (word == ".align") {
      d.align = std::max(d.align, whole_number(parts.at(++i)));
    } else if (word.front() == '.') {
      auto const type = scalar_named(word.substr(1));
      if (!type) throw unknown("a declaration: " + std::string(text));
      element_bytes = std::max(type->width(), 8) / 8;
    } else {
      std::size_t const bracket = word.find('[');
      d.name = word.substr(0, bracket);
      for (std::size_t at = bracket; at != std::string_view::npos; at = word.find('[', at + 1)) {
        std::string_view const size = word.substr(at + 1, word.find(']', at) - at - 1);
        if (size.empty())
          is_array_without_size = true;
        else
          count *= whole_number(size);
      }
    }
  }
  if (d.name.empty() || element_bytes == 0) throw unknown("a declaration: " + std::string(text));
  d.align = std::max(d.align, element_bytes);
  if (!initial.empty()) {
    if (initial.front() == '{') initial = initial.substr(1, initial.rfind('}') - 1);
    for (std::string_view const value : split_outside_brackets(initial, ',')) {
      std::uint64_t const v = parse_literal(value);
      unsigned char bytes[8];
      std::memcpy(bytes, &v, 8);
      d.content.insert(d.content.end(), bytes, bytes + element_bytes);
    }
    if (is_array_without_size) count = static_cast<int>(d.content.size()) / element_bytes;
  }
  d.bytes = is_array_without_size && d.content.empty() ? 0 : element_bytes * count;
  d.content.resize(static_cast<std::size_t>(d.bytes));
  return d;
}

}  // namespace ptx
