// Eigen with its own threads off, and the product of two tiles through it.
#pragma once

#if !defined(EIGEN_CORE_H) && !defined(EIGEN_DONT_PARALLELIZE)
#define EIGEN_DONT_PARALLELIZE
#endif
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"  // g++ 12 sees some in its own AVX-512 intrinsics
#pragma GCC diagnostic ignored "-Wuninitialized"
#endif
#if defined(__NVCC__)
#pragma nv_diagnostic push
#pragma nv_diag_suppress 20012  // annotations of Eigen's own that nvcc ignores
#endif
#include <Eigen/Core>
#if defined(__NVCC__)
#pragma nv_diagnostic pop
#endif
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic pop
#endif
#if defined(EIGEN_HAS_OPENMP)
#error "halfstep: include halfstep before Eigen or define EIGEN_DONT_PARALLELIZE: Eigen's threads would change sums"
#endif

#include <algorithm>

#include <halfstep/core/extents.hpp>
#include <halfstep/core/matrix_view.hpp>
#include <halfstep/exec/concept.hpp>

namespace halfstep::detail {

template <class Real>
using dense = Eigen::Matrix<Real, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;

template <class Real>
Eigen::Map<dense<Real> const> eigen_map(host_view<Real const> x) {
  return {x.data(), x.rows(), x.columns()};
}
template <class Real>
Eigen::Map<dense<Real>> eigen_map(host_view<Real> x) {
  return {x.data(), x.rows(), x.columns()};
}

/// Calls `f(first row, rows, first column, columns)` for every tile of a product's result. The sums inside a tile depend on its
/// shape, so the cut is a constant.
template <class Executor, class F>
void for_each_product_tile(Executor const& ex, extents2 e, F const& f) {
  constexpr index_t side = 256;
  index_t const across = (e.columns + side - 1) / side;
  ex.for_each((e.rows + side - 1) / side * across, [&](index_t tile) {
    index_t const row = tile / across * side;
    index_t const column = tile % across * side;
    f(row, std::min(side, e.rows - row), column, std::min(side, e.columns - column));
  });
}

}  // namespace halfstep::detail
