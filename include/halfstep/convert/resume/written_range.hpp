// Stretches of a tensor that were written, with digests.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include <halfstep/core/digest.hpp>

namespace halfstep {

/// A stretch of a tensor that was written.
struct written_range {
  static constexpr std::uint64_t most_bytes = std::uint64_t{8} << 20;

  std::uint64_t offset;  ///< of its first byte in the tensor
  std::uint64_t bytes;   ///< at most `most_bytes`
  std::uint64_t digest;  ///< of them

  bool operator==(written_range const&) const = default;
};

/// Returns the ranges of `bytes`, which lie in their tensor from `offset` on.
inline std::vector<written_range> ranges_of(std::uint64_t offset, std::span<std::byte const> bytes) {
  std::vector<written_range> made;
  for (std::size_t at = 0; at < bytes.size(); at += made.back().bytes) {
    auto const part = bytes.subspan(at, std::min<std::size_t>(bytes.size() - at, written_range::most_bytes));
    made.push_back({offset + at, part.size(), digest(part)});
  }
  return made;
}

}  // namespace halfstep
