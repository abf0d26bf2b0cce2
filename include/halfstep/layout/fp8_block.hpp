// FP8 E4M3 codes; every Side x Side tile shares a scale.
#pragma once

#include <string_view>

#include <halfstep/layout/concept.hpp>
#include <halfstep/layout/e4m3_grid.hpp>

namespace halfstep {

/// The block-wise FP8 layout: codes [M, N], scales [M / Side, N / Side] in FP32.
///
/// M and N must be multiples of `Side`. scale = max(amax / 448, 1e-8).
/// Source: the reference system's `float8_e4m3fn_blockwise` format.
template <int Side>
struct fp8_block : e4m3_grid {
  static_assert(Side >= 16 && Side <= 256 && (Side & (Side - 1)) == 0,
                "halfstep: a block's side is a power of two from 16 to 256");

  static constexpr std::string_view name = "float8_e4m3fn_blockwise";
  using group_type = float;

  HALFSTEP_HD static constexpr bool fits(extents2 e) { return e.rows % Side == 0 && e.columns % Side == 0; }
  HALFSTEP_HD static constexpr extents2 groups(extents2 e) { return {e.rows / Side, e.columns / Side}; }
  HALFSTEP_HD static constexpr index_t run(extents2) { return Side; }
  HALFSTEP_HD static constexpr index_t group_of(extents2 e, index_t row, index_t column) {
    return row / Side * (e.columns / Side) + column / Side;
  }

  HALFSTEP_HD static group_type fit(value_range v) { return fit_scale(v, 1e-8f); }
};

}  // namespace halfstep
