// Rounding of weights that have been shifted, with what it leaves, in one pass over memory.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <numeric>
#include <vector>

#include <halfstep/core/arithmetic.hpp>
#include <halfstep/core/matrix_view.hpp>
#include <halfstep/exec/concept.hpp>
#include <halfstep/kernel/row_tiles.hpp>
#include <halfstep/kernel/sum.hpp>
#include <halfstep/layout/concept.hpp>
#include <halfstep/layout/on_grid.hpp>
#include <halfstep/solver/concept.hpp>

namespace halfstep {

namespace detail {

/// The longest shift that rounding follows, in steps: from anywhere on an 8-bit grid it reaches the grid's end.
inline constexpr float longest_shift = 1024.0f;

/// Calls `f(first column, last column + 1, step)` for each run of a row's elements with a common scale.
template <class Grid, class F>
void for_each_run(coded_matrix<Grid> const& q, index_t row, F const& f) {
  for (index_t column = 0; column < q.geometry.extents.columns; column += q.geometry.columns)
    f(column, column + q.geometry.columns, q.step(row, column));
}

/// Returns whether `Grid::locate` is exact for every weight and every shift of it.
template <class Grid, class Executor>
bool is_near_grid(Executor const& ex, host_view<float const> weight, coded_matrix<Grid> const& q) {
  if constexpr (has_far_path<Grid>) {
    row_tiles const tiles(weight.extents());
    std::vector<char> near(static_cast<std::size_t>(tiles.count()), 1);
    ex.for_each(tiles.count(), [&](index_t tile) {
      for (index_t row = tiles.first(tile); row < tiles.first(tile) + tiles.rows(tile); ++row)
        for_each_run(q, row, [&](index_t first, index_t last, auto step) {
          float amax = 0.0f;
          for (index_t c = first; c < last; ++c) amax = std::max(amax, std::fabs(weight(row, c)));
          if (!Grid::is_near({amax + longest_shift * on_grid<Grid>::spacing(amax, step)}, step))
            near[static_cast<std::size_t>(tile)] = 0;
        });
    });
    return std::find(near.begin(), near.end(), 0) == near.end();
  }
  return true;
}

/// Stores the codes nearest to w + z s, w the weight, z its shift and s the step that it lies in, and w minus the numbers that
/// they stand for. Returns the sum of the squares of that, in FP64.
template <class Locate, class Executor, class Grid>
double round_shifted(Executor const& ex, host_view<float const> weight, host_view<float const> shift, coded_matrix<Grid> const& q,
                     host_view<typename Grid::code_type> codes, host_view<float> residue, Locate const& locate) {
  row_tiles const tiles(weight.extents());
  std::vector<double> partial(static_cast<std::size_t>(tiles.count()));
  ex.for_each(tiles.count(), [&](index_t tile) {
    index_t const first_row = tiles.first(tile);
    for (index_t row = first_row; row < first_row + tiles.rows(tile); ++row) {
      float const* const w = weight.row(row);
      float const* const z = shift.row(row);
      auto* const code = codes.row(row);
      float* const left = residue.row(row);
      for_each_run(q, row, [&](index_t first, index_t last, auto step) {
        for (index_t c = first; c < last; ++c) {
          float const steps = std::min(std::max(z[c], -longest_shift), longest_shift);
          code[c] = locate(residual(w[c], -steps, on_grid<Grid>::spacing(w[c], step)), step).nearer;
          left[c] = w[c] - settled(Grid::decode(code[c], step));
        }
      });
    }
    partial[static_cast<std::size_t>(tile)] = interleaved_sum(
        static_cast<float const*>(residue.row(first_row)), tiles.rows(tile) * weight.columns(), [](double e) { return e * e; });
  });
  return std::accumulate(partial.begin(), partial.end(), 0.0);
}

}  // namespace detail

/// Rounds the weights of one matrix, shifted by fractions of their steps, to the grid of its scales.
///
/// The element loop is the same on every executor, and so are codes and sums.
template <class Grid>
class shifted_rounding {
 public:
  /// Looks at all weights once: scales so small or large that the fast quotient is not exact take a division.
  template <host_executor Executor>
  shifted_rounding(Executor const& ex, host_view<float const> weight, coded_matrix<Grid> const& q)
      : weight_(weight), q_(q), near_(detail::is_near_grid(ex, weight, q)) {}

  /// Stores codes clip(rint(W / s + Z)) and E = W - decode(codes) for the shift Z [M, N] in steps; returns |E|^2.
  template <host_executor Executor>
  double operator()(Executor const& ex, host_view<float const> shift, host_view<typename Grid::code_type> codes,
                    host_view<float> residue) const {
    if constexpr (has_far_path<Grid>)
      if (!near_)
        return detail::round_shifted(ex, weight_, shift, q_, codes, residue,
                                     [](float x, auto step) { return Grid::locate_far(x, step); });
    return detail::round_shifted(ex, weight_, shift, q_, codes, residue,
                                 [](float x, auto step) { return Grid::locate(x, step); });
  }

  /// Returns one unrounded weight.
  float weight(index_t row, index_t column) const { return weight_(row, column); }

  /// Stores E = W - decode(codes); returns |E|^2.
  template <host_executor Executor>
  double residue_of(Executor const& ex, host_view<typename Grid::code_type const> codes, host_view<float> residue) const {
    ex.for_each(weight_.rows(), [&](index_t row) {
      detail::for_each_run(q_, row, [&](index_t first, index_t last, auto step) {
        for (index_t c = first; c < last; ++c) residue(row, c) = weight_(row, c) - settled(Grid::decode(codes(row, c), step));
      });
    });
    return sum_of_squares(ex, residue);
  }

 private:
  host_view<float const> weight_;
  coded_matrix<Grid> q_;
  bool near_;
};

}  // namespace halfstep
