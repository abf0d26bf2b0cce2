// Operations on the device that change a quantized tensor's numbers, and so its codes and groups.
#pragma once

#include <halfstep/core/compiler.hpp>
#include <halfstep/core/ieee_float.hpp>
#include <halfstep/core/matrix_view.hpp>
#include <halfstep/exec/concept.hpp>
#include <halfstep/kernel/for_each_index.cuh>
#include <halfstep/kernel/gelu.cuh>
#include <halfstep/rounding/nearest.hpp>
#include <halfstep/tensor/dequantize.cuh>
#include <halfstep/tensor/quantized_tensor.hpp>
#include <halfstep/tensor/quantizer.cuh>

namespace halfstep {

namespace detail {

/// Adds `delta[i]` to `sum[i]`.
struct add_op {
  float* sum;
  float const* delta;

  HALFSTEP_HD void operator()(index_t i) const { sum[i] = static_cast<float>(ieee_float{sum[i]} + delta[i]); }
};

}  // namespace detail

/// Adds `delta` [M, N] to the W that `q` stands for, as the host's `add_in_place` does, to the same codes and groups.
///
/// Allocates FP32 scratch for W and the sum's codes and groups through the executor, and waits for it. Throws cuda_error,
/// shape_error and, where the sum is not finite, value_error; then `q` is as it was.
template <device_executor Executor, class Layout, class Transform, class Rounding = nearest>
void add_in_place(Executor const& ex, quantized_tensor<Layout, device_space, Transform>& q, device_view<float const> delta,
                  Rounding rounding = {}) {
  require_extents(delta.extents(), q.extents(), "halfstep: what is added to a quantized tensor");
  auto memory = ex.template allocate<float>(q.extents().count());
  device_view<float> const sum(memory.data(), q.extents());
  dequantize_async(ex, q, sum);
  for_each_index_async(ex, q.extents().count(), detail::add_op{sum.data(), delta.data()});
  q = detail::quantize_as<Layout>(ex, device_view<float const>(sum), rounding, q.transform(), q.source_type());
}

/// Returns GELU of the W that `q` stands for, quantized afresh; `form` is `gelu_erf` or `gelu_tanh`.
///
/// The codes and groups of the host's, bit for bit. Allocates FP32 scratch for W and the result through the executor, and waits
/// for it. Throws cuda_error.
template <device_executor Executor, class Layout, class Transform, class Form = gelu_erf, class Rounding = nearest>
quantized_tensor<Layout, device_space, Transform> gelu(Executor const& ex,
                                                       quantized_tensor<Layout, device_space, Transform> const& q, Form form = {},
                                                       Rounding rounding = {}) {
  auto memory = ex.template allocate<float>(q.extents().count());
  device_view<float> const w(memory.data(), q.extents());
  dequantize_async(ex, q, w);
  gelu_async(ex, device_view<float const>(w), w, form);
  return detail::quantize_as<Layout>(ex, device_view<float const>(w), rounding, q.transform(), q.source_type());
}

}  // namespace halfstep
