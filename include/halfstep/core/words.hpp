// Lists, shapes, numbers of things and sizes in words, for sentences.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace halfstep {

/// Returns up to four of `names`, and how many more there are.
inline std::string some_of(std::vector<std::string> const& names) {
  std::string text;
  for (std::size_t i = 0; i < std::min<std::size_t>(names.size(), 4); ++i) text += (i == 0 ? "" : ", ") + names[i];
  return names.size() > 4 ? text + " and " + std::to_string(names.size() - 4) + " more" : text;
}

/// Returns all of `names`, with `between` between them.
inline std::string joined(std::vector<std::string> const& names, std::string const& between) {
  std::string text;
  for (std::size_t i = 0; i < names.size(); ++i) text += (i == 0 ? "" : between) + names[i];
  return text;
}

/// Returns a tensor's shape, such as "[4, 16]"; "[]" for a scalar.
inline std::string shape_text(std::span<std::uint64_t const> shape) {
  std::string text = "[";
  for (std::size_t i = 0; i < shape.size(); ++i) text += (i == 0 ? "" : ", ") + std::to_string(shape[i]);
  return text + "]";
}

/// Returns a number of layers, such as "1 layer" or "3 layers".
inline std::string layers_in_words(std::size_t count) { return std::to_string(count) + (count == 1 ? " layer" : " layers"); }

/// Returns a number of bytes with three digits and a decimal unit, such as "11.9 GB".
inline std::string size_in_words(std::uint64_t bytes) {
  constexpr std::array<std::string_view, 7> units{" bytes", " kB", " MB", " GB", " TB", " PB", " EB"};
  std::size_t unit = 0;
  std::uint64_t whole = bytes;
  std::uint64_t rest = 0;
  for (; whole >= 1000 && unit + 1 < units.size(); whole /= 1000, ++unit) rest = whole % 1000;
  std::string text = std::to_string(whole);
  if (unit > 0 && whole < 100) text += "." + std::to_string(whole < 10 ? rest / 10 + 100 : rest / 100 + 10).substr(1);
  return text + std::string(units[unit]);
}

}  // namespace halfstep
