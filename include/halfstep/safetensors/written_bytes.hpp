// Which bytes of a tensor were written, in whatever order and however often.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace halfstep::safetensors {

/// The bytes of a tensor that were written: ranges apart from each other, in their order.
///
/// Pieces that are written roughly in order, or backwards, keep it as short as there are threads.
class written_bytes {
 public:
  /// Adds [begin, end).
  void add(std::uint64_t begin, std::uint64_t end) {
    if (begin == end) return;
    auto const first =
        std::lower_bound(ranges_.begin(), ranges_.end(), begin, [](range const& r, std::uint64_t at) { return r.end < at; });
    auto last = first;
    for (; last != ranges_.end() && last->begin <= end; ++last) {
      begin = std::min(begin, last->begin);
      end = std::max(end, last->end);
    }
    if (first == last) {
      ranges_.insert(first, {begin, end});
      return;
    }
    *first = {begin, end};
    ranges_.erase(first + 1, last);
  }

  /// Returns how many bytes were written, each counted once.
  std::uint64_t count() const {
    std::uint64_t sum = 0;
    for (range const& r : ranges_) sum += r.end - r.begin;
    return sum;
  }

  /// Returns the first byte that was not written.
  std::uint64_t first_missing() const { return ranges_.empty() || ranges_.front().begin > 0 ? 0 : ranges_.front().end; }

 private:
  struct range {
    std::uint64_t begin;
    std::uint64_t end;
  };

  std::vector<range> ranges_;
};

}  // namespace halfstep::safetensors
