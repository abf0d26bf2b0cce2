// Text that crosses a file's edge: UTF-8 checks, names quoted for messages, strings escaped for JSON.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace halfstep {

namespace detail {

constexpr char hex_digit(unsigned value) { return "0123456789abcdef"[value & 15]; }

constexpr unsigned char byte_at(std::string_view text, std::size_t i) {
  return i < text.size() ? static_cast<unsigned char>(text[i]) : static_cast<unsigned char>(0);
}

// The length of the well-formed UTF-8 sequence at `i`, or 0. Source: the Unicode standard, table 3-7.
constexpr std::size_t utf8_length(std::string_view text, std::size_t i) {
  auto const between = [&](std::size_t k, unsigned low, unsigned high) {
    return low <= byte_at(text, k) && byte_at(text, k) <= high;
  };
  auto const tail = [&](std::size_t k) { return between(k, 0x80, 0xbf); };
  unsigned const lead = byte_at(text, i);
  if (lead < 0x80) return 1;
  if (between(i, 0xc2, 0xdf)) return tail(i + 1) ? 2 : 0;
  if (between(i, 0xe0, 0xef)) {
    bool const second = between(i + 1, lead == 0xe0 ? 0xa0 : 0x80, lead == 0xed ? 0x9f : 0xbf);
    return second && tail(i + 2) ? 3 : 0;
  }
  if (between(i, 0xf0, 0xf4)) {
    bool const second = between(i + 1, lead == 0xf0 ? 0x90 : 0x80, lead == 0xf4 ? 0x8f : 0xbf);
    return second && tail(i + 2) && tail(i + 3) ? 4 : 0;
  }
  return 0;
}

// Whether a control character (category Cc) of well-formed UTF-8 starts at `i`.
constexpr bool control_at(std::string_view text, std::size_t i) {
  unsigned const lead = byte_at(text, i);
  return lead < 0x20 || lead == 0x7f || (lead == 0xc2 && byte_at(text, i + 1) >= 0x80 && byte_at(text, i + 1) <= 0x9f);
}

}  // namespace detail

/// Returns whether `text` is well-formed UTF-8.
constexpr bool is_utf8(std::string_view text) {
  for (std::size_t i = 0; i < text.size();) {
    std::size_t const length = detail::utf8_length(text, i);
    if (length == 0) return false;
    i += length;
  }
  return true;
}

/// Returns whether `text`, well-formed UTF-8, holds a control character (U+0000 to U+001F, U+007F to U+009F).
constexpr bool has_control(std::string_view text) {
  for (std::size_t i = 0; i < text.size(); ++i)
    if (detail::control_at(text, i)) return true;
  return false;
}

/// Returns `name` in single quotes for a message of one line.
///
/// Control characters and bytes that are not UTF-8 become \\xNN; what lies beyond 200 bytes becomes "...".
/// An object and not a function, so that a call with a std::string never means std::quoted.
inline constexpr auto quoted = [](std::string_view name) -> std::string {
  constexpr std::size_t longest = 200;
  std::string out = "'";
  for (std::size_t i = 0; i < name.size();) {
    if (i >= longest) {
      out += "...";
      break;
    }
    std::size_t const length = detail::utf8_length(name, i);
    if (length == 0 || detail::control_at(name, i)) {
      unsigned const byte = detail::byte_at(name, i++);
      out += {'\\', 'x', detail::hex_digit(byte >> 4), detail::hex_digit(byte)};
    } else {
      out.append(name, i, length);
      i += length;
    }
  }
  return out += '\'';
};

/// Appends `text` to `out` as a JSON string, escaped as the reference writer (serde_json) does.
///
/// Only quotes, backslashes and U+0000 to U+001F are escaped; everything else is copied.
inline void append_json_string(std::string& out, std::string_view text) {
  out += '"';
  for (char const c : text) {
    switch (c) {
      case '"':
        out += "\\\"";
        break;
      case '\\':
        out += "\\\\";
        break;
      case '\b':
        out += "\\b";
        break;
      case '\f':
        out += "\\f";
        break;
      case '\n':
        out += "\\n";
        break;
      case '\r':
        out += "\\r";
        break;
      case '\t':
        out += "\\t";
        break;
      default: {
        auto const byte = static_cast<unsigned char>(c);
        if (byte < 0x20)
          out += {'\\', 'u', '0', '0', detail::hex_digit(byte >> 4), detail::hex_digit(byte)};
        else
          out += c;
      }
    }
  }
  out += '"';
}

}  // namespace halfstep
