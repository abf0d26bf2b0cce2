// What is to be said, for programs to tell apart and to say in their own words.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace halfstep {

/// A sentence with what it is made of.
struct message {
  std::string id;    ///< stable, such as "layers.already_quantized": what it is about, a dot, what is the matter
  std::string text;  ///< one line, whole: what, where, why, and what to do about it; options of the library in backticks
  std::vector<std::pair<std::string, std::string>> facts = {};  ///< what it tells beside, by name

  /// Returns the fact `name`; empty where it has none.
  std::string_view fact(std::string_view name) const {
    for (auto const& [n, value] : facts)
      if (n == name) return value;
    return {};
  }
};

}  // namespace halfstep
