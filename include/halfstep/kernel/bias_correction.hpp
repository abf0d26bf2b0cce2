// What rounding a layer's weight does to the mean of its outputs, and its bias made to undo that, on the host.
#pragma once

#include <algorithm>
#include <cstddef>
#include <numeric>
#include <span>
#include <type_traits>
#include <vector>

#include <halfstep/core/matrix_view.hpp>
#include <halfstep/core/source.hpp>
#include <halfstep/exec/concept.hpp>
#include <halfstep/kernel/row_tiles.hpp>
#include <halfstep/layout/group_geometry.hpp>

namespace halfstep {

namespace detail {

/// Sums over a row, each product exact in FP64, so that contraction changes nothing.
template <class Grid>
double residual_times_mean(float const* weight, typename Grid::code_type const* codes, host_view<float const> scales,
                           group_geometry const& geometry, index_t row, float const* mean) {
  constexpr index_t lanes = 16;
  double partial[lanes] = {};
  for (index_t first = 0; first < geometry.extents.columns; first += geometry.columns) {
    auto const step = Grid::unpack(scales.data()[geometry.group_of(row, first)]);
    auto const add = [&](index_t column, index_t lane) {
      float const stored = Grid::decode(codes[column], step);
      auto const error = static_cast<float>(static_cast<double>(weight[column]) - static_cast<double>(stored));
      partial[lane] += static_cast<double>(error) * static_cast<double>(mean[column]);
    };
    index_t const end = first + geometry.columns;
    index_t const whole = end - geometry.columns % lanes;
    for (index_t column = first; column < whole; column += lanes)
      for (index_t lane = 0; lane < lanes; ++lane) add(column + lane, lane);
    for (index_t column = whole; column < end; ++column) add(column, column - whole);
  }
  return std::accumulate(partial, partial + lanes, 0.0);
}

}  // namespace detail

/// Returns (W - Wq) mu, what rounding takes from the mean of each output.
///
/// weight [M, N] and mean [N] in the basis of the codes; codes [M, N] on `Grid`; scales as `geometry` says. Errors in FP32, sums
/// in FP64 in a fixed order: the same bits on every executor. Throws shape_error.
template <class Grid, host_executor Executor>
std::vector<double> residual_mean(Executor const& ex, host_view<float const> weight,
                                  host_view<typename Grid::code_type const> codes, host_view<float const> scales,
                                  group_geometry const& geometry, std::span<float const> mean) {
  extents2 const e = weight.extents();
  require_extents(codes.extents(), e, "halfstep: the codes given to residual_mean");
  require_extents(geometry.extents, e, "halfstep: the geometry given to residual_mean");
  require_extents(scales.extents(), geometry.groups(), "halfstep: the scales given to residual_mean");
  require_extents({1, static_cast<index_t>(mean.size())}, {1, e.columns}, "halfstep: the mean given to residual_mean");
  std::vector<double> lost(static_cast<std::size_t>(e.rows));
  row_tiles const tiles(e);
  ex.for_each(tiles.count(), [&](index_t tile) {
    for (index_t row = tiles.first(tile); row < tiles.first(tile) + tiles.rows(tile); ++row)
      lost[static_cast<std::size_t>(row)] =
          detail::residual_times_mean<Grid>(weight.row(row), codes.row(row), scales, geometry, row, mean.data());
  });
  return lost;
}

/// Adds `lost`, (W - Wq) mu, to a bias [M], in place: the mean of the outputs is then that of the original layer.
///
/// Sums in FP64, stored to nearest: of FP32 biases the mean is kept to 1e-5 or better. Throws shape_error.
template <source Bias>
void correct_bias(std::span<double const> lost, std::span<Bias> bias) {
  require_extents({1, static_cast<index_t>(lost.size())}, {1, static_cast<index_t>(bias.size())},
                  "halfstep: the correction of a bias");
  for (std::size_t i = 0; i < bias.size(); ++i) {
    if constexpr (std::is_same_v<Bias, double>)
      bias[i] += lost[i];
    else
      bias[i] = narrow<Bias>(static_cast<float>(static_cast<double>(widen(bias[i])) + lost[i]));
  }
}

}  // namespace halfstep
