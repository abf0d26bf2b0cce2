// FP8 E4M3 codes; one scale for the whole matrix.
#pragma once

#include <string_view>

#include <halfstep/layout/absmax_scale.hpp>
#include <halfstep/layout/e4m3_grid.hpp>
#include <halfstep/layout/geometry/per_tensor.hpp>
#include <halfstep/layout/scaled.hpp>

namespace halfstep {

/// The tensor-wise FP8 layout: codes [M, N], one scale in FP32.
///
/// scale = max(amax / 448, 1e-30). Source: ComfyUI's `float8_e4m3fn` format.
struct fp8_tensor : scaled<e4m3_grid, per_tensor, absmax_scale<-30>> {
  static constexpr std::string_view name = "float8_e4m3fn";
};

}  // namespace halfstep
