// How far weights are from what their codes stand for, counted in steps, on the host.
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <vector>

#include <halfstep/core/matrix_view.hpp>
#include <halfstep/exec/concept.hpp>
#include <halfstep/kernel/row_tiles.hpp>
#include <halfstep/layout/group_geometry.hpp>
#include <halfstep/layout/on_grid.hpp>

namespace halfstep {

/// Weights by |x - y| / step in bins of 0.05; the last bin takes everything beyond.
using error_bins = std::array<index_t, 20>;

/// Returns how many elements of `weight` [M, N] lie how far from those of `decoded`, in steps of `Grid` where they lie.
///
/// scales as `geometry` says; both belong to `weight`, which may be whole rows of groups of a larger matrix. Throws shape_error.
template <class Grid, host_executor Executor>
error_bins error_histogram(Executor const& ex, host_view<float const> weight, host_view<float const> decoded,
                           host_view<float const> scales, group_geometry const& geometry) {
  extents2 const e = weight.extents();
  require_extents(decoded.extents(), e, "halfstep: the decoded weights given to error_histogram");
  require_extents(geometry.extents, e, "halfstep: the geometry given to error_histogram");
  require_extents(scales.extents(), geometry.groups(), "halfstep: the scales given to error_histogram");
  row_tiles const tiles(e);
  std::vector<error_bins> partial(static_cast<std::size_t>(tiles.count()), error_bins{});
  ex.for_each(tiles.count(), [&](index_t tile) {
    error_bins& bins = partial[static_cast<std::size_t>(tile)];
    for (index_t row = tiles.first(tile); row < tiles.first(tile) + tiles.rows(tile); ++row)
      for (index_t first = 0; first < e.columns; first += geometry.columns) {
        auto const step = Grid::unpack(scales.data()[geometry.group_of(row, first)]);
        for (index_t k = first; k < first + geometry.columns; ++k) {
          float const to_bins = 20.0f / on_grid<Grid>::spacing(weight(row, k), step);
          float const bin = std::fabs(weight(row, k) - decoded(row, k)) * to_bins;
          ++bins[static_cast<std::size_t>(bin < 19.0f ? static_cast<std::int32_t>(bin) : 19)];
        }
      }
  });
  error_bins all{};
  for (auto const& bins : partial)
    for (std::size_t i = 0; i < all.size(); ++i) all[i] += bins[i];
  return all;
}

}  // namespace halfstep
