// Codes to numbers on the host. The device overload is in dequantize.cuh.
#pragma once

#include <algorithm>

#include <halfstep/core/matrix_view.hpp>
#include <halfstep/core/source.hpp>
#include <halfstep/exec/concept.hpp>
#include <halfstep/kernel/row_tiles.hpp>
#include <halfstep/layout/concept.hpp>
#include <halfstep/layout/group_rows.hpp>

namespace halfstep {

/// Stores the number that every code stands for, rounded to `Target`, ties to even.
///
/// codes [M, N], whole rows of a tensor; groups as `Layout::groups` says; out [M, N]. Throws shape_error.
template <class Layout, host_executor Executor, source Target>
void dequantize(Executor const& ex, host_view<typename Layout::code_type const> codes,
                host_view<typename Layout::group_type const> groups, host_view<Target> out) {
  if constexpr (check_layout<Layout>()) {
    extents2 const e = codes.extents();
    require_extents(groups.extents(), Layout::groups(e), "halfstep: the groups given to dequantize");
    require_extents(out.extents(), e, "halfstep: the output of dequantize");
    index_t const run = Layout::run(e);
    row_tiles const tiles(e);
    ex.for_each(tiles.count(), [&](index_t tile) {
      for (index_t row = tiles.first(tile); row < tiles.first(tile) + tiles.rows(tile); ++row) {
        for (index_t column = 0; column < e.columns; column += run) {
          auto const step = step_at<Layout>(groups.data(), e, row, column);
          auto const* const q = codes.row(row) + column;
          Target* const y = out.row(row) + column;
          index_t const count = std::min(run, e.columns - column);
          for (index_t k = 0; k < count; ++k) y[k] = narrow<Target>(Layout::decode(q[k], step));
        }
      }
    });
  }
}

}  // namespace halfstep
