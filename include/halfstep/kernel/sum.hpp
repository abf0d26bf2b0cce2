// Sums over a matrix on the host, in an order that does not depend on the executor. The device overloads are in sum.cuh.
#pragma once

#include <numeric>
#include <vector>

#include <halfstep/core/matrix_view.hpp>
#include <halfstep/core/source.hpp>
#include <halfstep/exec/concept.hpp>
#include <halfstep/kernel/row_tiles.hpp>

namespace halfstep {

namespace detail {

/// The sum of f(x) in FP64 through 16 interleaved partial sums, whatever the width of a vector register.
template <class Source, class F>
double interleaved_sum(Source const* x, index_t count, F const& f) {
  constexpr index_t lanes = 16;
  double partial[lanes] = {};
  index_t const whole = count - count % lanes;
  for (index_t i = 0; i < whole; i += lanes)
    for (index_t lane = 0; lane < lanes; ++lane) partial[lane] += f(static_cast<double>(widen(x[i + lane])));
  for (index_t lane = 0; lane < count % lanes; ++lane) partial[lane] += f(static_cast<double>(widen(x[whole + lane])));
  return std::accumulate(partial, partial + lanes, 0.0);
}

template <class Executor, class Source, class F>
double tiled_sum(Executor const& ex, host_view<Source const> x, F const& f) {
  row_tiles const tiles(x.extents());
  std::vector<double> partial(static_cast<std::size_t>(tiles.count()));
  ex.for_each(tiles.count(), [&](index_t tile) {
    partial[static_cast<std::size_t>(tile)] = interleaved_sum(x.row(tiles.first(tile)), tiles.rows(tile) * x.columns(), f);
  });
  return std::accumulate(partial.begin(), partial.end(), 0.0);
}

}  // namespace detail

/// Returns the sum of all elements, in FP64; the same bits on every executor.
template <host_executor Executor, source Source>
double sum(Executor const& ex, host_view<Source const> x) {
  return detail::tiled_sum(ex, x, [](double v) { return v; });
}

/// Returns the sum of all squares, in FP64; the same bits on every executor.
template <host_executor Executor, source Source>
double sum_of_squares(Executor const& ex, host_view<Source const> x) {
  return detail::tiled_sum(ex, x, [](double v) { return v * v; });
}

}  // namespace halfstep
