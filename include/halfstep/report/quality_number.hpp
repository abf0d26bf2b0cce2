// Numbers as the quality report writes them.
#pragma once

#include <charconv>
#include <cmath>
#include <cstdint>
#include <string>

namespace halfstep {

/// How a figure is written for reading.
enum class number_style : std::uint8_t {
  signal_db,   ///< dB of a signal over its error: infinite where nothing is off
  error_db,    ///< dB of an error over its signal: minus infinity where nothing is off
  cost_db,     ///< dB with three decimals, for small differences
  scientific,  ///< 1.234e-05
  count,       ///< 1,234,567
  share,       ///< of one, written in percent
  seconds
};

namespace detail {

inline std::string formatted(double value, std::chars_format format, int decimals) {
  char text[400];
  return {text, std::to_chars(text, text + sizeof text, value, format, decimals).ptr};
}

inline std::string fixed(double value, int decimals) {
  if (std::isinf(value)) return value > 0 ? "exact" : "-inf";
  return formatted(value, std::chars_format::fixed, decimals);
}

/// Without zeros at its end.
inline std::string trimmed(double value, int decimals) {
  std::string text = fixed(value, decimals);
  if (text.find('.') == std::string::npos) return text;
  text.erase(text.find_last_not_of('0') + 1);
  if (text.back() == '.') text.pop_back();
  return text;
}

/// The digits of a whole number in groups of three.
inline std::string grouped(double value) {
  std::string text = formatted(value, std::chars_format::fixed, 0);
  std::size_t const first = text.starts_with('-') ? 1 : 0;
  for (std::size_t i = text.size(); i > first + 3;) text.insert(i -= 3, ",");
  return text;
}

/// The shortest text that reads back as the same double; null for what JSON cannot say.
inline std::string json_number(double value) {
  if (!std::isfinite(value)) return "null";
  char text[40];
  return {text, std::to_chars(text, text + sizeof text, value).ptr};
}

}  // namespace detail

/// Returns `value` for a reader, without its unit.
inline std::string readable(double value, number_style style) {
  using detail::fixed;
  switch (style) {
    case number_style::signal_db:
      return fixed(value, 2);
    case number_style::error_db:
      return std::isinf(value) ? (value < 0 ? "exact" : "inf") : fixed(value, 2);
    case number_style::cost_db:
      return fixed(value, 3);
    case number_style::scientific:
      return detail::formatted(value, std::chars_format::scientific, 3);
    case number_style::count:
      return detail::grouped(value);
    case number_style::share:
      return fixed(100.0 * value, 2) + " %";
    case number_style::seconds:
      return fixed(value, 2);
  }
  return {};
}

}  // namespace halfstep
