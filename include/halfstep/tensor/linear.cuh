// Products with a quantized weight on a device.
#pragma once

#include <halfstep/core/compiler.hpp>
#include <halfstep/core/extents.hpp>
#include <halfstep/core/ieee_float.hpp>
#include <halfstep/core/matrix_view.hpp>
#include <halfstep/exec/concept.hpp>
#include <halfstep/exec/without_waits.hpp>
#include <halfstep/kernel/dequantize.cuh>
#include <halfstep/kernel/for_each_index.cuh>
#include <halfstep/kernel/hadamard.cuh>
#include <halfstep/kernel/widen.cuh>
#include <halfstep/linalg/gemm.cuh>
#include <halfstep/linalg/linear.cuh>
#include <halfstep/tensor/dequantized_products.hpp>
#include <halfstep/tensor/quantized_tensor.hpp>
#include <halfstep/tensor/require_layer.hpp>

namespace halfstep {

namespace detail {

/// Adds one row of numbers, or a row of its own, to every row of sums.
struct addend_op {
  device_view<float> sums;
  device_view<float const> addend;

  HALFSTEP_HD void operator()(index_t i) const {
    float const more = addend.data()[addend.rows() == 1 ? i % sums.columns() : i];
    sums.data()[i] = static_cast<float>(ieee_float{sums.data()[i]} + more);
  }
};

}  // namespace detail

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

/// Stores y = a + x W, where `w` is W quantized, and does not wait: runs in stream order, scratch from the executor.
///
/// a [B, N], or [1, N] for every row; otherwise as `matmul`. Throws shape_error, cuda_error.
template <device_executor Executor, class Layout, class Transform>
void addmm_async(Executor const& ex, device_view<float const> a, device_view<float const> x,
                 quantized_tensor<Layout, device_space, Transform> const& w, device_view<float> y) {
  detail::require_addend(a, y);
  matmul_async(ex, x, w, y);
  for_each_index_async(ex, y.extents().count(), detail::addend_op{y, a});
}

/// `addmm_async`, and waits for the executor.
template <device_executor Executor, class Layout, class Transform>
void addmm(Executor const& ex, device_view<float const> a, device_view<float const> x,
           quantized_tensor<Layout, device_space, Transform> const& w, device_view<float> y) {
  addmm_async(ex, a, x, w, y);
  ex.wait();
}

}  // namespace halfstep
