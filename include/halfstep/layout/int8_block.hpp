// INT8 codes; every Side x Side tile shares a scale.
#pragma once

#include <string_view>

#include <halfstep/layout/absmax_scale.hpp>
#include <halfstep/layout/geometry/per_block.hpp>
#include <halfstep/layout/scaled.hpp>
#include <halfstep/layout/symmetric_grid.hpp>

namespace halfstep {

/// The block-wise INT8 layout: codes [M, N], scales [M / Side, N / Side] in FP32.
///
/// M and N must be multiples of `Side`. scale = max(amax / 127, 1e-8).
/// Source: the reference system's `int8_blockwise` format.
template <int Side>
struct int8_block : scaled<symmetric_grid<127>, per_block<Side>, absmax_scale<-8>> {
  static constexpr std::string_view name = "int8_blockwise";
};

}  // namespace halfstep
