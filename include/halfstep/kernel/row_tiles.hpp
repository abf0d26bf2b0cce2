// How host kernels cut a matrix: into pieces of whole rows whose size depends on its shape alone.
#pragma once

#include <algorithm>

#include <halfstep/core/extents.hpp>

namespace halfstep {

/// Whole rows of a matrix in pieces of about `elements` elements, each a multiple of some number of rows.
///
/// The cut is a function of the shape, never of the executor.
class row_tiles {
 public:
  /// A tile of BF16 weights, its codes and an FP32 copy of it stay in a second-level cache of 1 MiB.
  static constexpr index_t elements = index_t{1} << 17;

  /// Cuts `e` between multiples of `granule` rows.
  explicit row_tiles(extents2 e, index_t granule = 1)
      : matrix_rows_(e.rows), tile_rows_(std::max(granule, elements / std::max<index_t>(e.columns, 1) / granule * granule)) {}

  /// Returns how many tiles there are.
  index_t count() const { return (matrix_rows_ + tile_rows_ - 1) / tile_rows_; }

  /// Returns the first row of a tile.
  index_t first(index_t tile) const { return tile * tile_rows_; }

  /// Returns how many rows a tile has; the last may have fewer than the others.
  index_t rows(index_t tile) const { return std::min(tile_rows_, matrix_rows_ - first(tile)); }

 private:
  index_t matrix_rows_;
  index_t tile_rows_;
};

}  // namespace halfstep
