// The names that were probably meant, for sentences about files whose names fit nothing.
#pragma once

#include <algorithm>
#include <cstddef>
#include <span>
#include <string>
#include <vector>

#include <halfstep/core/edit_distance.hpp>
#include <halfstep/core/text.hpp>

namespace halfstep {

/// Returns for each of `names` the one of `candidates` that fewest changes of letters lead to, none of them twice; fewer where
/// there are fewer candidates. Of equally near ones the first.
inline std::vector<std::string> nearest_names(std::span<std::string const> names, std::span<std::string const> candidates) {
  std::vector<std::string> nearest;
  for (auto const& name : names) {
    std::string const* best = nullptr;
    std::size_t least = 0;
    for (auto const& candidate : candidates) {
      if (std::find(nearest.begin(), nearest.end(), candidate) != nearest.end()) continue;
      if (auto const distance = edit_distance(name, candidate); best == nullptr || distance < least) {
        best = &candidate;
        least = distance;
      }
    }
    if (best != nullptr) nearest.push_back(*best);
  }
  return nearest;
}

/// Returns up to two of `names` as messages show them: "'a' and 'b'", "'a'", or "none".
inline std::string two_of(std::span<std::string const> names) {
  if (names.empty()) return "none";
  return quoted(names[0]) + (names.size() > 1 ? " and " + quoted(names[1]) : "");
}

/// Returns a sentence's part about `names`, of which none is known: two of them, and the two of `known` that are nearest to them.
///
/// Such as "it has 'p.q' and 'p.r', and the model 'q' and 'r'".
inline std::string unmatched_in_words(std::span<std::string const> names, std::span<std::string const> known) {
  auto const shown = names.first(std::min<std::size_t>(names.size(), 2));
  return "it has " + two_of(shown) + ", and nearest in the model " + (shown.size() > 1 ? "are " : "is ") +
         two_of(nearest_names(shown, known));
}

}  // namespace halfstep
