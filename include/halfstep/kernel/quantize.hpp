// Weights to codes on the host. The device overload is in quantize.cuh.
#pragma once

#include <algorithm>

#include <halfstep/core/matrix_view.hpp>
#include <halfstep/core/source.hpp>
#include <halfstep/exec/concept.hpp>
#include <halfstep/kernel/row_tiles.hpp>
#include <halfstep/layout/concept.hpp>
#include <halfstep/layout/group_rows.hpp>
#include <halfstep/rounding/concept.hpp>

namespace halfstep {

/// Stores, for every weight, the code that `rounding` chooses from its bracket on the layout's grid.
///
/// weight [M, N] of any type that `widen` reads, a piece of whole rows of its tensor; groups as `Layout::groups` says,
/// already fitted; codes [M, N]. |decode(code) - x| <= Rounding::max_error_steps * step inside the group's range.
/// Same codes on every executor, and for every way of cutting the tensor into pieces. Throws shape_error.
/// Precondition: that of `Layout::locate`; `quantizer` sees to it.
template <class Layout, class Rounding, host_executor Executor, source Source>
void quantize(Executor const& ex, host_view<Source const> weight, host_view<typename Layout::group_type const> groups,
              host_view<typename Layout::code_type> codes, Rounding rounding) {
  static_assert(check_layout<Layout>());
  static_assert(check_rounding<Rounding, typename Layout::code_type>());
  if constexpr (layout<Layout> && halfstep::rounding<Rounding, typename Layout::code_type>) {
    extents2 const e = weight.extents();
    require_extents(groups.extents(), Layout::groups(e), "halfstep: the groups given to quantize");
    require_extents(codes.extents(), e, "halfstep: the output of quantize");
    index_t const run = Layout::run(e);
    row_tiles const tiles(e);
    ex.for_each(tiles.count(), [&](index_t tile) {
      for (index_t row = tiles.first(tile); row < tiles.first(tile) + tiles.rows(tile); ++row) {
        for (index_t column = 0; column < e.columns; column += run) {
          auto const step = step_at<Layout>(groups.data(), e, row, column);
          Source const* const x = weight.row(row) + column;
          auto* const q = codes.row(row) + column;
          index_t const first = weight.index_in_tensor(row, column);
          index_t const count = std::min(run, e.columns - column);
          for (index_t k = 0; k < count; ++k) q[k] = rounding(Layout::locate(widen(x[k]), step), first + k);
        }
      }
    });
  }
}

}  // namespace halfstep
