// The product of two matrices on the device.
#pragma once

#include <halfstep/core/matrix_view.hpp>
#include <halfstep/exec/concept.hpp>
#include <halfstep/linalg/product_tile.cuh>

namespace halfstep {

/// Stores c = a b.
///
/// a [M, K]; b [K, N]; c [M, N], apart from the inputs. FP32, each result the sum of fused products in ascending order: the same
/// bits on every device, within rounding of the host's. Runs in stream order. Throws shape_error, cuda_error.
template <device_executor Executor>
void gemm_async(Executor const& ex, device_view<float const> a, device_view<float const> b, device_view<float> c) {
  require_extents({1, b.rows()}, {1, a.columns()}, "halfstep: the inner extents of gemm");
  require_extents(c.extents(), {a.rows(), b.columns()}, "halfstep: the output of gemm");
  detail::launch_product<detail::second_factor::plain>(ex, a, b, nullptr, c);
}

/// `gemm_async`, and waits for the executor.
template <device_executor Executor>
void gemm(Executor const& ex, device_view<float const> a, device_view<float const> b, device_view<float> c) {
  gemm_async(ex, a, b, c);
  ex.wait();
}

}  // namespace halfstep
