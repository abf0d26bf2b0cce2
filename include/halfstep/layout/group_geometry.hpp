// How a layout's groups lie over a matrix, as numbers known at run time.
#pragma once

#include <halfstep/core/compiler.hpp>
#include <halfstep/core/extents.hpp>
#include <halfstep/layout/group_rows.hpp>

namespace halfstep {

/// Groups of `rows` x `columns` neighbouring elements that tile a matrix and are numbered row by row.
///
/// One instance of a solver serves block, axis and tensor scales through it. `rows` and `columns` divide the extents.
struct group_geometry {
  extents2 extents;
  index_t rows;     ///< of one group
  index_t columns;  ///< of one group

  /// Returns the shape of the companion tensor.
  HALFSTEP_HD constexpr extents2 groups() const { return {extents.rows / rows, extents.columns / columns}; }

  /// Returns the place in the companion tensor of an element's group.
  HALFSTEP_HD constexpr index_t group_of(index_t row, index_t column) const {
    return row / rows * (extents.columns / columns) + column / columns;
  }
};

/// Returns how the groups of `Layout` lie over a matrix of shape `e`, which it stores and which is not empty.
template <class Layout>
HALFSTEP_HD constexpr group_geometry geometry_of(extents2 e) {
  return {e, rows_per_group<Layout>(e), Layout::run(e)};
}

}  // namespace halfstep
