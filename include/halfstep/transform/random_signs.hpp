// Random signs on a weight's columns.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <halfstep/core/error.hpp>
#include <halfstep/core/extents.hpp>
#include <halfstep/core/matrix_view.hpp>
#include <halfstep/core/random.hpp>
#include <halfstep/exec/concept.hpp>

namespace halfstep {

/// Returns `count` numbers that are 1 or -1, a function of the key alone: bit i of the words of `random` from `counter` on.
inline std::vector<float> signs_of(philox const& random, index_t count, std::uint64_t counter = 0) {
  std::vector<float> signs;
  for (index_t i = 0; i < count; ++i) {
    auto const block = random(counter + static_cast<std::uint64_t>(i / 128));
    auto const word = block.word[i / 32 % 4];
    signs.push_back((word >> (i % 32) & 1) == 0 ? 1.0f : -1.0f);
  }
  return signs;
}

/// Multiplies every column by 1 or -1: what makes a Hadamard transform after it a random one. Its own inverse, exact.
class random_signs {
 public:
  static constexpr std::string_view name = "random signs";

  random_signs() = default;

  /// Draws the signs of `columns` columns.
  random_signs(philox const& random, index_t columns) : random_signs(signs_of(random, columns)) {}

  /// Takes signs that were drawn before. Throws value_error where one is neither 1 nor -1.
  explicit random_signs(std::vector<float> signs) : signs_(std::move(signs)) {
    for (float const sign : signs_)
      if (sign != 1.0f && sign != -1.0f)
        throw value_error(stated("basis.no_sign", "halfstep: a sign is 1 or -1, not {value}", {{"value", sign}}));
  }

  std::span<float const> signs() const { return signs_; }

  bool fits(extents2 e) const { return e.columns == static_cast<index_t>(signs_.size()); }

  template <host_executor Executor>
  void apply(Executor const& ex, host_view<float> w) const {
    require_extents({1, w.columns()}, {1, static_cast<index_t>(signs_.size())}, "halfstep: the columns that get random signs");
    ex.for_each(w.rows(), [&](index_t row) {
      float* const x = w.row(row);
      for (std::size_t j = 0; j < signs_.size(); ++j) x[j] *= signs_[j];
    });
  }

  template <host_executor Executor>
  void invert(Executor const& ex, host_view<float> w) const {
    apply(ex, w);
  }

  template <host_executor Executor>
  void apply_to_input(Executor const& ex, host_view<float> x) const {
    apply(ex, x);
  }

 private:
  std::vector<float> signs_;
};

}  // namespace halfstep
