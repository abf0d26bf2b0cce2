// FP8 E4M3 codes; one scale for the whole matrix.
#pragma once

#include <string_view>

#include <halfstep/layout/concept.hpp>
#include <halfstep/layout/e4m3_grid.hpp>

namespace halfstep {

/// The tensor-wise FP8 layout: codes [M, N], one scale in FP32.
///
/// scale = max(amax / 448, 1e-30). Source: ComfyUI's `float8_e4m3fn` format.
struct fp8_tensor : e4m3_grid {
  static constexpr std::string_view name = "float8_e4m3fn";
  using group_type = float;

  HALFSTEP_HD static constexpr bool fits(extents2) { return true; }
  HALFSTEP_HD static constexpr extents2 groups(extents2) { return {1, 1}; }
  HALFSTEP_HD static constexpr index_t run(extents2 e) { return e.columns; }
  HALFSTEP_HD static constexpr index_t group_of(extents2, index_t, index_t) { return 0; }

  HALFSTEP_HD static group_type fit(value_range v) { return fit_scale(v, 1e-30f); }
};

}  // namespace halfstep
