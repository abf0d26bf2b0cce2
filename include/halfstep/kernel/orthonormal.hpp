// Orthonormal bases of the columns of a tall matrix on the host.
#pragma once

#include <algorithm>
#include <cstddef>
#include <vector>

#include <halfstep/core/buffer.hpp>
#include <halfstep/core/error.hpp>
#include <halfstep/core/matrix_view.hpp>
#include <halfstep/exec/concept.hpp>
#include <halfstep/kernel/cholesky.hpp>
#include <halfstep/kernel/eigen.hpp>
#include <halfstep/kernel/gemm.hpp>

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

}  // namespace detail

/// Replaces the columns of `a` by an orthonormal basis of the same space, through the Cholesky factor of a^T a in FP64.
///
/// a [M, N], M >= N; `scratch` of the same shape. Columns that depend on others, as far as FP64 sums of FP32 numbers can tell,
/// are replaced by short ones in the same space; nothing but zeros stays that. One pass leaves |a^T a - I| of about 1e-7 times
/// the condition number of a; a second pass leaves 1e-6. Throws shape_error, and value_error where an element is not finite. On
/// one machine the same bits for every number of threads. Source: T. Fukaya et al., "Shifted Cholesky QR", SIAM J. Sci. Comput.
/// 42, 2020.
template <host_executor Executor>
void orthonormalize(Executor const& ex, host_view<float> a, host_view<float> scratch) {
  require_extents(scratch.extents(), a.extents(), "halfstep: the scratch of orthonormalize");
  extents2 const square{a.columns(), a.columns()};
  host_buffer<double> const gram(square.count());
  host_buffer<float> const inverse(square.count());
  auto const g = gram.view(square);
  auto const m = detail::eigen_map(g);
  detail::gram(ex, host_view<float const>(a), g);
  std::vector<double> squares;
  for (index_t i = 0; i < square.rows; ++i) squares.push_back(g(i, i));
  double const largest = *std::max_element(squares.begin(), squares.end());
  if (largest <= 1e-60) {
    std::fill_n(a.data(), a.extents().count(), 0.0f);
    return;
  }
  for (double shift = 1e-14 * largest; !cholesky(ex, g); shift *= 100.0) {
    if (!(shift < largest)) throw value_error("halfstep: orthonormalize was given numbers that are not finite");
    detail::gram(ex, host_view<float const>(a), g);
    for (index_t i = 0; i < square.rows; ++i) g(i, i) = squares[static_cast<std::size_t>(i)] + shift;
  }
  // a L^-T, with the inverse rounded to FP32 so that the large product runs at its rate.
  constexpr index_t side = 128;
  index_t const strips = (square.rows + side - 1) / side;
  ex.for_each(strips, [&](index_t strip) {
    index_t const first = strip * side;
    index_t const count = std::min(side, square.rows - first);
    detail::dense<double> part = detail::dense<double>::Zero(square.rows, count);
    part.middleRows(first, count).setIdentity();
    auto const tail = square.rows - first;
    auto lower = m.block(first, first, tail, tail);
    auto solved = part.bottomRows(tail);
    lower.template triangularView<Eigen::Lower>().solveInPlace(solved);
    detail::eigen_map(inverse.view(square)).middleCols(first, count) = part.template cast<float>();
  });
  gemm(ex, host_view<float const>(a), operand::plain, host_view<float const>(inverse.view(square)), operand::transposed, scratch);
  std::copy_n(scratch.data(), scratch.extents().count(), a.data());
}

}  // namespace halfstep
