// The keys and values of markers.
#pragma once

#include <algorithm>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace halfstep {

/// The keys and values of a marker in their order. Read: strings without quotes, numbers as written, `true`, `false` and `null`;
/// to be written: as they stand in JSON.
using marker_pairs = std::vector<std::pair<std::string, std::string>>;

/// Returns the value of `key`, or null.
inline std::string const* find_in(marker_pairs const& pairs, std::string_view key) {
  auto const found = std::find_if(pairs.begin(), pairs.end(), [&](auto const& pair) { return pair.first == key; });
  return found == pairs.end() ? nullptr : &found->second;
}

}  // namespace halfstep
