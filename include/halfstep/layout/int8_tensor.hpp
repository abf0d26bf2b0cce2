// INT8 codes; one scale for the whole matrix.
#pragma once

#include <string_view>

#include <halfstep/layout/absmax_scale.hpp>
#include <halfstep/layout/geometry/per_tensor.hpp>
#include <halfstep/layout/scaled.hpp>
#include <halfstep/layout/symmetric_grid.hpp>

namespace halfstep {

/// The tensor-wise INT8 layout: codes [M, N], one scale in FP32.
///
/// scale = max(amax / 127, 1e-30). Source: ComfyUI's `int8_tensorwise` format.
struct int8_tensor : scaled<symmetric_grid<127>, per_tensor, absmax_scale<-30>> {
  static constexpr std::string_view name = "int8_tensorwise";
};

}  // namespace halfstep
