// INT8 codes; every row has a scale.
#pragma once

#include <string_view>

#include <halfstep/layout/absmax_scale.hpp>
#include <halfstep/layout/geometry/per_row.hpp>
#include <halfstep/layout/scaled.hpp>
#include <halfstep/layout/symmetric_grid.hpp>

namespace halfstep {

/// The row-wise INT8 layout: codes [M, N], scales [M, 1] in FP32.
///
/// scale = max(amax / 127, 1e-30). Source: the reference system's `int8_axiswise` format.
struct int8_axis : scaled<symmetric_grid<127>, per_row, absmax_scale<-30>> {
  static constexpr std::string_view name = "int8_axiswise";
};

}  // namespace halfstep
