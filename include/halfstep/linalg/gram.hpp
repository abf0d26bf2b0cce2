// Sums of x^T x over rows on the host: one triangle, tile by tile.
#pragma once

#include <algorithm>

#include <halfstep/core/matrix_view.hpp>
#include <halfstep/exec/concept.hpp>
#include <halfstep/linalg/eigen.hpp>

namespace halfstep {

namespace detail {

/// Calls `f(first row, rows, first column, columns)` for tiles that cover the lower triangle of a matrix [n, n].
template <class Executor, class F>
void for_each_lower_tile(Executor const& ex, index_t n, index_t side, F const& f) {
  index_t const across = (n + side - 1) / side;
  ex.for_each(across * (across + 1) / 2, [&](index_t tile) {
    index_t i = 0;
    while ((i + 1) * (i + 2) / 2 <= tile) ++i;
    index_t const row = i * side;
    index_t const column = (tile - i * (i + 1) / 2) * side;
    f(row, std::min(side, n - row), column, std::min(side, n - column));
  });
}

}  // namespace detail

/// Adds rows^T rows to the lower triangle of `gram`; what lies above it is of no use afterwards, see `mirror_lower`.
///
/// rows [n, N]; gram [N, N]. n N^2 flops in FP32, in tiles of a constant size: on one machine the same bits for every number of
/// threads, though not for every cut of the rows into calls. A few hundred rows a call or more run at the rate of products.
/// Throws shape_error.
template <host_executor Executor>
void add_gram(Executor const& ex, host_view<float const> rows, host_view<float> gram) {
  require_extents(gram.extents(), {rows.columns(), rows.columns()}, "halfstep: the sums of add_gram");
  auto const x = detail::eigen_map(rows);
  constexpr index_t side = 256;
  detail::for_each_lower_tile(ex, rows.columns(), side, [&](index_t row, index_t height, index_t column, index_t width) {
    auto tile = detail::eigen_map(gram).block(row, column, height, width);
    tile.noalias() += x.middleCols(row, height).transpose() * x.middleCols(column, width);
  });
}

/// Copies the lower triangle of `square` onto the upper one. Throws shape_error.
template <host_executor Executor, class Real>
void mirror_lower(Executor const& ex, host_view<Real> square) {
  require_extents({1, square.columns()}, {1, square.rows()}, "halfstep: a matrix given to mirror_lower, which is square");
  constexpr index_t side = 64;
  detail::for_each_lower_tile(ex, square.rows(), side, [&](index_t row, index_t height, index_t column, index_t width) {
    for (index_t i = row; i < row + height; ++i)
      for (index_t j = column; j < std::min(i, column + width); ++j) square(j, i) = square(i, j);
  });
}

}  // namespace halfstep
