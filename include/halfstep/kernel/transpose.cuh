// The transpose of a matrix on the device.
#pragma once

#include <halfstep/core/compiler.hpp>
#include <halfstep/core/extents.hpp>
#include <halfstep/core/matrix_view.hpp>
#include <halfstep/device/launch.cuh>
#include <halfstep/exec/concept.hpp>

namespace halfstep {

namespace detail {

/// Moves a square of 64 x 64 elements a block through shared memory, so that both sides are read and written by whole sectors.
template <class T>
struct transpose_tile {
  static constexpr int max_threads = 256;
  static constexpr int side = 64;
  static constexpr int rows_at_once = max_threads / side;
  struct shared_type {
    T square[side][side + (sizeof(T) < 4 ? 4 / sizeof(T) : 1)];  // a column lies in as many banks as it has words
  };
  using state_type = tile_nothing;

  device_view<T const> from;
  device_view<T> to;
  index_t across;  ///< how many squares lie side by side in `from`

  HALFSTEP_HD static constexpr int phases() { return 2; }

  HALFSTEP_HD void run(int phase, tile_place at, shared_type& shared, state_type&) const {
    index_t const down = at.block / across, right = at.block - down * across;
    int const x = at.thread % side;
    for (int y = at.thread / side; y < side; y += rows_at_once) {
      if (phase == 0) {
        index_t const row = down * side + y, column = right * side + x;
        if (row < from.rows() && column < from.columns()) shared.square[y][x] = from(row, column);
      } else {
        index_t const row = right * side + y, column = down * side + x;
        if (row < to.rows() && column < to.columns()) to(row, column) = shared.square[x][y];
      }
    }
  }
};

}  // namespace detail

/// Stores the transpose of `from` [M, N] in `to` [N, M], other memory. Runs in stream order. Throws shape_error, cuda_error.
template <device_executor Executor, class T>
void transpose_async(Executor const& ex, device_view<T const> from, device_view<T> to) {
  using tile = detail::transpose_tile<T>;
  require_extents(to.extents(), from.extents().transposed(), "halfstep: the output of transpose");
  index_t const across = (from.columns() + tile::side - 1) / tile::side, down = (from.rows() + tile::side - 1) / tile::side;
  launch(ex, tile{from, to, across}, {across * down, tile::max_threads});
}

}  // namespace halfstep
