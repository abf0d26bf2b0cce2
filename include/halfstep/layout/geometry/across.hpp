// The geometry of a transposed matrix.
#pragma once

#include <string_view>

#include <halfstep/core/compiler.hpp>
#include <halfstep/core/extents.hpp>

namespace halfstep {

/// How the groups of `Geometry`, or of a layout, lie over the transpose of their matrix: across, the companion tensor transposed.
template <class Geometry>
struct across {
  static constexpr std::string_view name = "across";

  HALFSTEP_HD static constexpr bool fits(extents2 e) { return Geometry::fits(e.transposed()); }
  HALFSTEP_HD static constexpr extents2 groups(extents2 e) { return Geometry::groups(e.transposed()).transposed(); }
  HALFSTEP_HD static constexpr index_t run(extents2 e) {
    index_t const group_columns = groups(e).columns;
    return group_columns > 0 && e.columns > 0 ? e.columns / group_columns : 1;
  }
  HALFSTEP_HD static constexpr index_t group_of(extents2 e, index_t row, index_t column) {
    extents2 const there = Geometry::groups(e.transposed());
    if (there.columns == 0) return 0;
    index_t const group = Geometry::group_of(e.transposed(), column, row);
    return group % there.columns * there.rows + group / there.columns;
  }
};

}  // namespace halfstep
