// The residual seen along a weight's principal directions: the objective of SVD-based learned rounding.
#pragma once

#include <algorithm>
#include <cmath>
#include <utility>

#include <halfstep/core/buffer.hpp>
#include <halfstep/core/matrix_view.hpp>
#include <halfstep/exec/concept.hpp>
#include <halfstep/kernel/for_each_index.hpp>
#include <halfstep/kernel/sum.hpp>
#include <halfstep/linalg/gemm.hpp>

namespace halfstep {

/// loss = |P| with P = U^T E V, where the columns of U [M, k] and V [N, k] are a weight's k leading singular vectors.
///
/// d loss / d E = U (P / |P|) V^T; zeros where |P| = 0. Two products of 2 M N k and two of 2 min(M, N) k^2 flops for a gradient,
/// half of that for the loss alone. FP32 products in tiles of a constant size: the same bits for every number of threads.
class principal {
 public:
  static constexpr bool gradient_in_place = true;

  /// Takes `u` [rows, rank] and `v` [columns, rank], row by row. Throws shape_error.
  principal(host_buffer<float> u, host_buffer<float> v, index_t rows, index_t columns, index_t rank)
      : u_(std::move(u)), v_(std::move(v)), extents_{rows, columns}, rank_(rank) {
    require_extents({1, u_.size()}, {1, rows * rank}, "halfstep: the left directions of principal");
    require_extents({1, v_.size()}, {1, columns * rank}, "halfstep: the right directions of principal");
  }

  host_view<float const> u() const { return u_.view({extents_.rows, rank_}); }
  host_view<float const> v() const { return v_.view({extents_.columns, rank_}); }

  /// Returns how many directions there are.
  index_t rank() const { return rank_; }

  /// Returns |U^T E V|. Allocates (min(M, N) + k) k numbers. Throws shape_error.
  template <host_executor Executor>
  double loss(Executor const& ex, host_view<float const> residual) const {
    host_buffer<float> p(rank_ * rank_);
    host_buffer<float> half(short_side() * rank_);
    return project(ex, residual, half, p);
  }

  /// Stores U (P / |P|) V^T, returns |P|. `out` may be the residual's own memory. Allocates as `loss` does. Throws shape_error.
  template <host_executor Executor>
  double gradient(Executor const& ex, host_view<float const> residual, host_view<float> out) const {
    require_extents(out.extents(), extents_, "halfstep: the gradient of principal");
    host_buffer<float> p(rank_ * rank_);
    host_buffer<float> half(short_side() * rank_);
    double const found = project(ex, residual, half, p);
    auto const factor = static_cast<float>(found > 0.0 ? 1.0 / found : 0.0);
    for_each_index(ex, p.size(), [&](index_t i) { p[i] *= factor; });
    host_view<float const> const square = p.view({rank_, rank_});
    if (is_tall()) {
      auto const right = half.view({extents_.columns, rank_});  // V P^T
      gemm(ex, v(), operand::plain, square, operand::transposed, right);
      gemm(ex, u(), operand::plain, right, operand::transposed, out);
    } else {
      auto const left = half.view({extents_.rows, rank_});  // U P
      gemm(ex, u(), operand::plain, square, operand::plain, left);
      gemm(ex, left, operand::plain, v(), operand::transposed, out);
    }
    return found;
  }

 private:
  bool is_tall() const { return extents_.rows > extents_.columns; }
  index_t short_side() const { return std::min(extents_.rows, extents_.columns); }

  /// Stores U^T E V, the long side first, and returns its length.
  template <class Executor>
  double project(Executor const& ex, host_view<float const> residual, host_buffer<float>& half, host_buffer<float>& p) const {
    require_extents(residual.extents(), extents_, "halfstep: the residual given to principal");
    auto const square = p.view({rank_, rank_});
    if (is_tall()) {
      auto const right = half.view({extents_.columns, rank_});  // E^T U
      gemm(ex, residual, operand::transposed, u(), operand::plain, right);
      gemm(ex, right, operand::transposed, v(), operand::plain, square);
    } else {
      auto const left = half.view({extents_.rows, rank_});  // E V
      gemm(ex, residual, operand::plain, v(), operand::plain, left);
      gemm(ex, u(), operand::transposed, left, operand::plain, square);
    }
    return std::sqrt(sum_of_squares(ex, square));
  }

  host_buffer<float> u_;
  host_buffer<float> v_;
  extents2 extents_;
  index_t rank_;
};

}  // namespace halfstep
