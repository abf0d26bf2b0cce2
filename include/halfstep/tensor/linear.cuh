// Products with a quantized weight on a device.
#pragma once

#include <halfstep/core/matrix_view.hpp>
#include <halfstep/exec/concept.hpp>
#include <halfstep/exec/without_waits.hpp>
#include <halfstep/kernel/dequantize.cuh>
#include <halfstep/kernel/hadamard.cuh>
#include <halfstep/kernel/widen.cuh>
#include <halfstep/linalg/gemm.cuh>
#include <halfstep/linalg/linear.cuh>
#include <halfstep/tensor/dequantized_products.hpp>
#include <halfstep/tensor/quantized_tensor.hpp>

namespace halfstep {

/// Stores y = x W^T + b as `linear` does, and does not wait: runs in stream order, scratch from the executor.
template <device_executor Executor, class Layout, class Transform>
void linear_async(Executor const& ex, device_view<float const> x, quantized_tensor<Layout, device_space, Transform> const& w,
                  device_view<float const> bias, device_view<float> y) {
  static_assert(check_transform<Transform>());
  linear(without_waits<Executor>(ex), x, w, bias, y);
}

/// Stores y = x W as `matmul` does, and does not wait: runs in stream order, scratch from the executor.
template <device_executor Executor, class Layout, class Transform>
void matmul_async(Executor const& ex, device_view<float const> x, quantized_tensor<Layout, device_space, Transform> const& w,
                  device_view<float> y) {
  static_assert(check_transform<Transform>());
  matmul(without_waits<Executor>(ex), x, w, y);
}

}  // namespace halfstep
