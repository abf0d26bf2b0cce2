// A group for every row.
#pragma once

#include <string_view>

#include <halfstep/core/compiler.hpp>
#include <halfstep/core/extents.hpp>

namespace halfstep {

/// The geometry of rows: companion tensor [M, 1], for any shape.
struct per_row {
  static constexpr std::string_view name = "row";

  HALFSTEP_HD static constexpr bool fits(extents2) { return true; }
  HALFSTEP_HD static constexpr extents2 groups(extents2 e) { return {e.rows, 1}; }
  HALFSTEP_HD static constexpr index_t run(extents2 e) { return e.columns; }
  HALFSTEP_HD static constexpr index_t group_of(extents2, index_t row, index_t) { return row; }
};

}  // namespace halfstep
