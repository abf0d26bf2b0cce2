// INT8 codes; every row has a scale.
#pragma once

#include <string_view>

#include <halfstep/layout/concept.hpp>
#include <halfstep/layout/symmetric_grid.hpp>

namespace halfstep {

/// The row-wise INT8 layout: codes [M, N], scales [M, 1] in FP32.
///
/// scale = max(amax / 127, 1e-30). Source: the reference system's `int8_axiswise` format.
struct int8_axis : symmetric_grid<127> {
  static constexpr std::string_view name = "int8_axiswise";
  using group_type = float;

  HALFSTEP_HD static constexpr bool fits(extents2) { return true; }
  HALFSTEP_HD static constexpr extents2 groups(extents2 e) { return {e.rows, 1}; }
  HALFSTEP_HD static constexpr index_t run(extents2 e) { return e.columns; }
  HALFSTEP_HD static constexpr index_t group_of(extents2, index_t row, index_t) { return row; }

  HALFSTEP_HD static group_type fit(value_range v) { return fit_scale(v, 1e-30f); }
};

}  // namespace halfstep
