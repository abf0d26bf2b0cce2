// Rotations of a weight's columns by a dense random matrix.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <numbers>
#include <string_view>
#include <utility>

#include <halfstep/core/buffer.hpp>
#include <halfstep/core/extents.hpp>
#include <halfstep/core/matrix_view.hpp>
#include <halfstep/core/random.hpp>
#include <halfstep/exec/concept.hpp>
#include <halfstep/linalg/gemm.hpp>
#include <halfstep/linalg/orthonormal.hpp>

namespace halfstep {

/// Multiplies a weight by a random orthogonal matrix Q [N, N], a function of the key alone on one machine.
///
/// For any number of columns, at 2 M N^2 flops and N^2 numbers where a Hadamard transform takes M N log N and none; not exact: it
/// comes back to about 1e-6. Copies share Q. Allocates a matrix like the weight while it works.
class random_orthogonal {
 public:
  static constexpr std::string_view name = "random orthogonal";

  random_orthogonal() = default;

  /// Orthonormalizes N^2 normal numbers.
  template <host_executor Executor>
  random_orthogonal(Executor const& ex, philox const& random, index_t columns) : columns_(columns) {
    extents2 const square{columns, columns};
    auto q = std::make_shared<host_buffer<float>>(square.count());
    host_buffer<float> scratch(square.count());
    ex.for_each(columns, [&](index_t row) {
      for (index_t j = 0; j < columns; ++j)
        (*q)[row * columns + j] = normal(random, static_cast<std::uint64_t>(row * columns + j));
    });
    for (int pass = 0; pass < 3; ++pass) orthonormalize(ex, q->view(square), scratch.view(square));
    matrix_ = std::move(q);
  }

  /// Returns Q.
  host_view<float const> matrix() const { return {matrix_ ? matrix_->data() : nullptr, {columns_, columns_}}; }

  bool fits(extents2 e) const { return e.columns == columns_; }

  template <host_executor Executor>
  void apply(Executor const& ex, host_view<float> w) const {
    multiply(ex, w, operand::plain);
  }

  template <host_executor Executor>
  void invert(Executor const& ex, host_view<float> w) const {
    multiply(ex, w, operand::transposed);
  }

  template <host_executor Executor>
  void apply_to_input(Executor const& ex, host_view<float> x) const {
    apply(ex, x);
  }

 private:
  /// The first of a pair of normal numbers by Box and Muller.
  static float normal(philox const& random, std::uint64_t counter) {
    auto const words = random(counter);
    double const u = (static_cast<double>(words.word[0]) + 0.5) * 0x1p-32;
    double const v = static_cast<double>(words.word[1]) * 0x1p-32;
    return static_cast<float>(std::sqrt(-2.0 * std::log(u)) * std::cos(2.0 * std::numbers::pi * v));
  }

  template <class Executor>
  void multiply(Executor const& ex, host_view<float> w, operand how) const {
    require_extents({1, w.columns()}, {1, columns_}, "halfstep: the columns of a rotated matrix");
    host_buffer<float> before(w.extents().count());
    std::copy_n(w.data(), w.extents().count(), before.data());
    gemm(ex, before.view(w.extents()), operand::plain, matrix(), how, w);
  }

  index_t columns_ = 0;
  std::shared_ptr<host_buffer<float> const> matrix_;
};

}  // namespace halfstep
