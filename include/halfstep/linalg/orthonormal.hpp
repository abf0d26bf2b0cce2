// Orthonormal bases of the columns of a tall matrix on the host.
#pragma once

#include <algorithm>
#include <cstddef>
#include <vector>

#include <halfstep/core/buffer.hpp>
#include <halfstep/core/error.hpp>
#include <halfstep/core/matrix_view.hpp>
#include <halfstep/exec/concept.hpp>
#include <halfstep/linalg/cholesky.hpp>
#include <halfstep/linalg/eigen.hpp>
#include <halfstep/linalg/gemm.hpp>

namespace halfstep {

namespace detail {

/// Stores the lower triangle of a^T a in FP64, tile by tile; sums run over strips of a constant height.
template <class Executor>
void gram(Executor const& ex, host_view<float const> a, host_view<double> g) {
  constexpr index_t side = 128;
  constexpr index_t strip = 512;
  index_t const n = a.columns();
  index_t const across = (n + side - 1) / side;
  auto const x = eigen_map(a);
  ex.for_each(across * (across + 1) / 2, [&](index_t tile) {
    index_t i = 0;
    while ((i + 1) * (i + 2) / 2 <= tile) ++i;
    index_t const row = i * side;
    index_t const column = (tile - i * (i + 1) / 2) * side;
    index_t const rows = std::min(side, n - row);
    index_t const columns = std::min(side, n - column);
    dense<double> left, right;
    auto out = eigen_map(g).block(row, column, rows, columns);
    out.setZero();
    for (index_t first = 0; first < a.rows(); first += strip) {
      index_t const count = std::min(strip, a.rows() - first);
      left = x.block(first, row, count, rows).template cast<double>();
      right = x.block(first, column, count, columns).template cast<double>();
      out.noalias() += left.transpose() * right;
    }
  });
}

/// Stores the Cholesky factor of a^T a, shifted where need be, and returns the least of its diagonal over the largest; 0 where
/// there are only zeros.
template <class Executor>
double factor_gram(Executor const& ex, host_view<float const> a, host_view<double> g) {
  gram(ex, a, g);
  std::vector<double> squares;
  for (index_t i = 0; i < g.rows(); ++i) squares.push_back(g(i, i));
  double const largest = *std::max_element(squares.begin(), squares.end());
  if (largest <= 1e-60) return 0.0;
  for (double shift = 1e-14 * largest; !cholesky(ex, g); shift *= 100.0) {
    if (!(shift < largest))
      throw value_error(stated("matrix.not_finite", "halfstep: orthonormalize was given numbers that are not finite"));
    gram(ex, a, g);
    for (index_t i = 0; i < g.rows(); ++i) g(i, i) = squares[static_cast<std::size_t>(i)] + shift;
  }
  double least = g(0, 0);
  double most = g(0, 0);
  for (index_t i = 1; i < g.rows(); ++i) {
    least = std::min(least, g(i, i));
    most = std::max(most, g(i, i));
  }
  return least / most;
}

/// Stores the inverse of a lower triangular matrix, rounded to FP32 so that a large product with it runs at the rate of FP32.
template <class Executor>
void invert_lower(Executor const& ex, host_view<double const> lower, host_view<float> inverse) {
  constexpr index_t side = 128;
  index_t const n = lower.rows();
  ex.for_each((n + side - 1) / side, [&](index_t tile) {
    index_t const first = tile * side;
    index_t const count = std::min(side, n - first);
    index_t const tail = n - first;
    dense<double> part = dense<double>::Zero(n, count);
    part.middleRows(first, count).setIdentity();
    auto solved = part.bottomRows(tail);
    eigen_map(lower).block(first, first, tail, tail).template triangularView<Eigen::Lower>().solveInPlace(solved);
    eigen_map(inverse).middleCols(first, count) = part.template cast<float>();
  });
}

}  // namespace detail

/// Replaces the columns of `a` by an orthonormal basis of the same space, through the Cholesky factor of a^T a in FP64.
///
/// a [M, N], M >= N; `scratch` of the same shape. Columns that depend on others, as far as FP64 sums of FP32 numbers can tell,
/// are replaced by others; nothing but zeros stays that. One pass, and up to three more where the factor says that the columns
/// were far from orthogonal: |a^T a - I| ends near 1e-6 times their last condition number, at most about 1e-4. Throws
/// shape_error, and value_error where an element is not finite. On one machine the same bits for every number of threads.
/// Source: T. Fukaya et al., "Shifted Cholesky QR", SIAM J. Sci. Comput. 42, 2020.
template <host_executor Executor>
void orthonormalize(Executor const& ex, host_view<float> a, host_view<float> scratch) {
  require_extents(scratch.extents(), a.extents(), "halfstep: the scratch of orthonormalize");
  extents2 const square{a.columns(), a.columns()};
  host_buffer<double> gram(square.count());
  host_buffer<float> inverse(square.count());
  for (int pass = 0; pass < 4; ++pass) {
    double const spread = detail::factor_gram(ex, a, gram.view(square));
    if (spread == 0.0) {
      std::fill_n(a.data(), a.extents().count(), 0.0f);
      return;
    }
    detail::invert_lower(ex, gram.view(square), inverse.view(square));
    gemm(ex, a, operand::plain, inverse.view(square), operand::transposed, scratch);
    std::copy_n(scratch.data(), scratch.extents().count(), a.data());
    if (spread > 0.01) return;
  }
}

}  // namespace halfstep
