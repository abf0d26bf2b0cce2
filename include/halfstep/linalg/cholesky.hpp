// The Cholesky factor of a symmetric matrix on the host.
#pragma once

#include <algorithm>

#include <halfstep/core/matrix_view.hpp>
#include <halfstep/exec/concept.hpp>
#include <halfstep/linalg/eigen.hpp>
#include <halfstep/linalg/eigen_factor.hpp>

namespace halfstep {

/// Replaces the lower triangle of `a` by L with L L^T = a; the upper triangle is neither read nor written.
///
/// a [N, N]. Returns false where a is not positive definite as far as `Real` can tell; its contents are then of no use. Blocked
/// by a constant, so on one machine the same bits for every number of threads. N^3 / 3 flops. Throws shape_error.
template <host_executor Executor, class Real>
[[nodiscard]] bool cholesky(Executor const& ex, host_view<Real> a) {
  require_extents({1, a.columns()}, {1, a.rows()}, "halfstep: a matrix given to cholesky, which is square");
  constexpr index_t side = 128;
  index_t const n = a.rows();
  auto m = detail::eigen_map(a);
  for (index_t first = 0; first < n; first += side) {
    index_t const width = std::min(side, n - first);
    index_t const below = first + width;
    auto diagonal = m.block(first, first, width, width);
    Eigen::LLT<Eigen::Ref<detail::dense<Real>>, Eigen::Lower> const factor(diagonal);
    if (factor.info() != Eigen::Success || !diagonal.diagonal().allFinite()) return false;
    index_t const tiles_below = (n - below + side - 1) / side;
    ex.for_each(tiles_below, [&](index_t tile) {
      index_t const row = below + tile * side;
      auto part = m.block(row, first, std::min(side, n - row), width);
      diagonal.template triangularView<Eigen::Lower>().transpose().template solveInPlace<Eigen::OnTheRight>(part);
    });
    ex.for_each(tiles_below * (tiles_below + 1) / 2, [&](index_t tile) {
      index_t i = 0;
      while ((i + 1) * (i + 2) / 2 <= tile) ++i;
      index_t const row = below + i * side;
      index_t const column = below + (tile - i * (i + 1) / 2) * side;
      index_t const rows = std::min(side, n - row);
      index_t const columns = std::min(side, n - column);
      m.block(row, column, rows, columns).noalias() -=
          m.block(row, first, rows, width) * m.block(column, first, columns, width).transpose();
    });
  }
  return true;
}

}  // namespace halfstep
