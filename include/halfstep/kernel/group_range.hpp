// The largest magnitude of every group on the host. The device overload is in group_range.cuh.
#pragma once

#include <algorithm>
#include <vector>

#include <halfstep/core/magnitude.hpp>
#include <halfstep/core/matrix_view.hpp>
#include <halfstep/core/source.hpp>
#include <halfstep/exec/concept.hpp>
#include <halfstep/kernel/row_tiles.hpp>
#include <halfstep/layout/concept.hpp>
#include <halfstep/layout/group_rows.hpp>

namespace halfstep {

namespace detail {

template <class Source>
typename magnitude<Source>::pattern largest_magnitude(Source const* x, index_t count) {
  typename magnitude<Source>::pattern largest = 0;
  for (index_t k = 0; k < count; ++k) largest = std::max(largest, magnitude<Source>::of(x[k]));
  return largest;
}

/// Raises each column's largest magnitude to that of one more row.
template <class Source>
void raise_columns(Source const* x, index_t columns, typename magnitude<Source>::pattern* largest) {
  for (index_t k = 0; k < columns; ++k) largest[k] = std::max(largest[k], magnitude<Source>::of(x[k]));
}

/// Calls `store(group, pattern)` for every group of `rows` rows that share their groups, the first of which is `first`.
template <class Layout, class Source, class Store>
void range_of_group_row(host_view<Source const> weight, index_t first, index_t rows, Store const& store) {
  extents2 const e = weight.extents();
  index_t const run = Layout::run(e);
  Source const* x = weight.row(first);
  std::vector<typename magnitude<Source>::pattern> columns;
  if (rows > 1) {
    columns.assign(static_cast<std::size_t>(e.columns), 0);
    for (index_t row = first; row < first + rows; ++row) raise_columns(weight.row(row), e.columns, columns.data());
  }
  for (index_t column = 0; column < e.columns; column += run) {
    index_t const count = std::min(run, e.columns - column);
    auto const largest = rows > 1 ? *std::max_element(columns.begin() + column, columns.begin() + column + count)
                                  : largest_magnitude(x + column, count);
    store(Layout::group_of(e, first, column), largest);
  }
}

}  // namespace detail

/// Stores the range of every group's weights, `ranges` being shaped as `Layout::groups` says.
///
/// weight [M, N], whole rows of groups. The maximum is taken over bit patterns, so NaN and infinity show as amax, and the
/// result does not depend on the executor. A layout without groups has nothing to store. Throws shape_error.
template <class Layout, host_executor Executor, source Source>
void group_range(Executor const& ex, host_view<Source const> weight, host_view<value_range> ranges) {
  if constexpr (check_layout<Layout>()) {
    extents2 const e = weight.extents();
    require_extents(ranges.extents(), Layout::groups(e), "halfstep: the output of group_range");
    require_even_groups<Layout>(e);
    index_t const shared = rows_per_group<Layout>(e);
    row_tiles const whole(e, shared);
    row_tiles const cut(e);
    if (!has_groups<Layout> || e.count() == 0) {
      std::fill_n(ranges.data(), ranges.extents().count(), value_range{0.0f});
    } else if (spans_all_rows<Layout>(e) &&
               cut.count() > 1) {  // one row of groups, too tall for one task: the largest of its pieces
      using pattern = typename magnitude<Source>::pattern;
      index_t const groups = ranges.extents().count();
      std::vector<pattern> largest(static_cast<std::size_t>(groups * cut.count()), 0);
      ex.for_each(cut.count(), [&](index_t tile) {
        pattern* const mine = largest.data() + tile * groups;
        detail::range_of_group_row<Layout>(weight, cut.first(tile), cut.rows(tile),
                                           [mine](index_t group, pattern p) { mine[group] = std::max(mine[group], p); });
      });
      for (index_t group = 0; group < groups; ++group) {
        pattern all = 0;
        for (index_t tile = 0; tile < cut.count(); ++tile)
          all = std::max(all, largest[static_cast<std::size_t>(tile * groups + group)]);
        ranges.data()[group] = {magnitude<Source>::value(all)};
      }
    } else {
      ex.for_each(whole.count(), [&](index_t tile) {
        for (index_t row = whole.first(tile); row < whole.first(tile) + whole.rows(tile); row += shared)
          detail::range_of_group_row<Layout>(
              weight, row, shared, [&](index_t group, auto p) { ranges.data()[group] = {magnitude<Source>::value(p)}; });
      });
    }
  }
}

/// Returns the range of all elements of `weight`; {0} for none.
template <host_executor Executor, source Source>
value_range matrix_range(Executor const& ex, host_view<Source const> weight) {
  using pattern = typename magnitude<Source>::pattern;
  row_tiles const tiles(weight.extents());
  std::vector<pattern> largest(static_cast<std::size_t>(tiles.count()), 0);
  ex.for_each(tiles.count(), [&](index_t tile) {
    auto const piece = weight.rows(tiles.first(tile), tiles.rows(tile));
    largest[static_cast<std::size_t>(tile)] = detail::largest_magnitude(piece.data(), piece.extents().count());
  });
  pattern all = 0;
  for (pattern const p : largest) all = std::max(all, p);
  return value_range{magnitude<Source>::value(all)};  // braces alone get lost in nvcc
}

/// Stores what `Layout::fit` makes of each range.
template <class Layout>
void fit_groups(host_view<value_range const> ranges, host_view<typename Layout::group_type> groups) {
  require_extents(groups.extents(), ranges.extents(), "halfstep: the output of fit_groups");
  for (index_t group = 0; group < ranges.extents().count(); ++group) groups.data()[group] = Layout::fit(ranges.data()[group]);
}

}  // namespace halfstep
