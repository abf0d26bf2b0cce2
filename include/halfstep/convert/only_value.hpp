// Whether all weights of a layer are one number.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <optional>
#include <type_traits>

#include <halfstep/core/bits.hpp>
#include <halfstep/core/dtype.hpp>
#include <halfstep/core/extents.hpp>
#include <halfstep/core/source.hpp>

namespace halfstep {

/// The one number that all weights which were seen are, as long as they are one. Any thread may show weights.
///
/// Costs next to nothing where weights differ: one look at the first two of each part.
class only_value {
 public:
  /// Takes `count` weights of `type` in.
  void see(dtype type, void const* weights, index_t count) {
    if (count == 0 || seen_.load(std::memory_order_relaxed) == several) return;
    with_source_type(type, [&]<class Source>(std::type_identity<Source>) {
      auto const* const x = static_cast<Source const*>(weights);
      float const first = widen(x[0]);
      bool const same = std::all_of(x, x + count, [=](Source each) { return widen(each) == first; });
      note(same ? static_cast<std::uint32_t>(bits(first + 0.0f)) : several);  // -0 is 0
    });
  }

  /// Returns the number; nothing where weights differ, and where none was seen.
  std::optional<double> get() const {
    std::uint64_t const seen = seen_.load(std::memory_order_relaxed);
    if (seen >= several) return std::nullopt;
    return float_of(static_cast<std::uint32_t>(seen));
  }

 private:
  static constexpr std::uint64_t several = std::uint64_t{1} << 32;
  static constexpr std::uint64_t none = several + 1;

  void note(std::uint64_t part) {
    std::uint64_t before = none;
    if (seen_.compare_exchange_strong(before, part, std::memory_order_relaxed) || before == part) return;
    seen_.store(several, std::memory_order_relaxed);
  }

  std::atomic<std::uint64_t> seen_{none};
};

}  // namespace halfstep
