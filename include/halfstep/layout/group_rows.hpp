// How a layout's groups lie over the rows of a matrix, derived from its shapes.
#pragma once

#include <string>

#include <halfstep/core/compiler.hpp>
#include <halfstep/core/error.hpp>
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

/// Throws shape_error where a layout's groups are not all of `rows_per_group` rows: kernels cannot tell how such groups lie.
template <class Layout>
void require_even_groups(extents2 e) {
  index_t const group_rows = Layout::groups(e).rows;
  if (!has_groups<Layout> || e.count() == 0) return;
  index_t const shared = rows_per_group<Layout>(e);
  auto const group = [&](index_t row) { return Layout::group_of(e, row, 0); };
  bool const is_even = group_rows > 0 && shared > 0 && e.rows % group_rows == 0 && group(shared - 1) == group(0) &&
                       (e.rows == shared || group(shared) != group(0)) && group(e.rows - 1) == group(e.rows - shared);
  if (is_even) return;
  throw shape_error(stated("shape.uneven_groups",
                           "halfstep: {group_rows} rows of groups for {rows} rows: {layout} must refuse, in `fits`, a shape that "
                           "its groups do not divide evenly",
                           {{"group_rows", group_rows}, {"rows", e.rows}, {"layout", Layout::name}}));
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
