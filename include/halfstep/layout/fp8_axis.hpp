// FP8 E4M3 codes; every row has a scale.
#pragma once

#include <string_view>

#include <halfstep/layout/absmax_scale.hpp>
#include <halfstep/layout/e4m3_grid.hpp>
#include <halfstep/layout/geometry/per_row.hpp>
#include <halfstep/layout/scaled.hpp>

namespace halfstep {

/// The row-wise FP8 layout: codes [M, N], scales [M, 1] in FP32.
///
/// scale = max(amax / 448, 1e-30).
struct fp8_axis : scaled<e4m3_grid, per_row, absmax_scale<-30>> {
  static constexpr std::string_view name = "float8_e4m3fn_rowwise";
};

}  // namespace halfstep
