// FP8 E4M3 codes; every Side x Side tile shares a scale.
#pragma once

#include <string_view>

#include <halfstep/layout/absmax_scale.hpp>
#include <halfstep/layout/e4m3_grid.hpp>
#include <halfstep/layout/geometry/per_block.hpp>
#include <halfstep/layout/scaled.hpp>

namespace halfstep {

/// The block-wise FP8 layout: codes [M, N], scales [M / Side, N / Side] in FP32.
///
/// M and N must be multiples of `Side`. scale = max(amax / 448, 1e-8).
/// Source: the reference system's `float8_e4m3fn_blockwise` format.
template <int Side>
struct fp8_block : scaled<e4m3_grid, per_block<Side>, absmax_scale<-8>> {
  static constexpr std::string_view name = "float8_e4m3fn_blockwise";
};

}  // namespace halfstep
