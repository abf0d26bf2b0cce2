// How a layout's groups lie over the rows of a matrix, derived from its shapes.
#pragma once

#include <halfstep/core/compiler.hpp>
#include <halfstep/core/extents.hpp>
#include <halfstep/layout/concept.hpp>

namespace halfstep {

/// Returns how many neighbouring rows share a row of groups; 1 where the layout stores no groups.
///
/// A piece of a tensor that is cut between such rows has groups of its own, `Layout::groups` of the piece.
template <class Layout>
HALFSTEP_HD constexpr index_t rows_per_group(extents2 e) {
  index_t const group_rows = Layout::groups(e).rows;
  return group_rows > 0 && e.rows > 0 ? e.rows / group_rows : 1;
}

/// Returns whether every group reaches from the first row to the last however many there are, so that pieces of a tensor share
/// their groups: a scale for the tensor, or for a column; not a matrix that happens to be one block high.
template <class Layout>
HALFSTEP_HD constexpr bool spans_all_rows(extents2 e) {
  return has_groups<Layout> && e.rows > 1 && Layout::groups(e).rows == 1 && Layout::fits({1, e.columns}) &&
         Layout::groups({1, e.columns}) == Layout::groups(e);
}

/// Returns the prepared group of the element at (`row`, `column`), for layouts with and without groups.
template <class Layout>
HALFSTEP_HD typename Layout::step_type step_at(typename Layout::group_type const* groups, extents2 e, index_t row,
                                               index_t column) {
  if constexpr (has_groups<Layout>)
    return Layout::unpack(groups[Layout::group_of(e, row, column)]);
  else
    return Layout::unpack({});
}

}  // namespace halfstep
