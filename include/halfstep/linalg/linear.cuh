// A layer's product on the device.
#pragma once

#include <halfstep/core/matrix_view.hpp>
#include <halfstep/exec/concept.hpp>
#include <halfstep/linalg/product_tile.cuh>

namespace halfstep {

/// Stores y = x W^T + b.
///
/// x [B, N]; weight [M, N]; bias [1, M], or empty for none; y [B, M], apart from the inputs. FP32, each result the sum of fused
/// products in ascending order: the same bits on every device, within rounding of the host's. Runs in stream order. Throws
/// shape_error, cuda_error.
template <device_executor Executor>
void linear_async(Executor const& ex, device_view<float const> x, device_view<float const> weight, device_view<float const> bias,
                  device_view<float> y) {
  require_extents({1, weight.columns()}, {1, x.columns()}, "halfstep: the columns of weight and input in linear");
  require_extents(y.extents(), {x.rows(), weight.rows()}, "halfstep: the output of linear");
  bool const is_biased = bias.extents().count() != 0;
  if (is_biased) require_extents(bias.extents(), {1, weight.rows()}, "halfstep: the bias of linear");
  detail::launch_product<detail::second_factor::transposed>(ex, x, weight, is_biased ? bias.data() : nullptr, y);
}

/// `linear_async`, and waits for the executor.
template <device_executor Executor>
void linear(Executor const& ex, device_view<float const> x, device_view<float const> weight, device_view<float const> bias,
            device_view<float> y) {
  linear_async(ex, x, weight, bias, y);
  ex.wait();
}

}  // namespace halfstep
