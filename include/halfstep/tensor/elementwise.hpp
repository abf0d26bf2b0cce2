// Operations that change a quantized tensor's numbers, and so its codes and groups.
#pragma once

#include <halfstep/core/buffer.hpp>
#include <halfstep/core/matrix_view.hpp>
#include <halfstep/exec/concept.hpp>
#include <halfstep/kernel/for_each_index.hpp>
#include <halfstep/kernel/gelu.hpp>
#include <halfstep/rounding/nearest.hpp>
#include <halfstep/tensor/dequantize.hpp>
#include <halfstep/tensor/quantized_tensor.hpp>
#include <halfstep/tensor/quantizer.hpp>

namespace halfstep {

namespace detail {

/// Quantizes `w` afresh into the shape, basis and source type of `like`.
template <class Executor, class Layout, class Transform, class Rounding>
quantized_tensor<Layout, host_space, Transform> quantized_like(Executor const& ex, host_view<float const> w,
                                                               quantized_tensor<Layout, host_space, Transform> const& like,
                                                               Rounding rounding) {
  static_assert(check_transform<Transform>());
  quantized_tensor<Layout, host_space, Transform> result(like.extents(), like.transform(), like.source_type());
  quantizer<Layout, Rounding, Transform> const quantize(rounding, like.transform());
  quantize(ex, w, result.groups(), result.codes());
  return result;
}

}  // namespace detail

/// Adds `delta` [M, N] to the W that `q` stands for; the sum is quantized afresh, groups fitted again.
///
/// Needs FP32 scratch for W. Throws shape_error and, where the sum is not finite, value_error; then `q` is as it was.
template <host_executor Executor, class Layout, class Transform, class Rounding = nearest>
void add_in_place(Executor const& ex, quantized_tensor<Layout, host_space, Transform>& q, host_view<float const> delta,
                  Rounding rounding = {}) {
  require_extents(delta.extents(), q.extents(), "halfstep: what is added to a quantized tensor");
  auto sum = dequantize(ex, q);
  for_each_index(ex, sum.size(), [&](index_t i) { sum[i] += delta.data()[i]; });
  q = detail::quantized_like(ex, sum.view(q.extents()), q, rounding);
}

/// Returns GELU of the W that `q` stands for, quantized afresh; `form` is `gelu_erf` or `gelu_tanh`.
///
/// Needs FP32 scratch for W.
template <host_executor Executor, class Layout, class Transform, class Form = gelu_erf, class Rounding = nearest>
quantized_tensor<Layout, host_space, Transform> gelu(Executor const& ex, quantized_tensor<Layout, host_space, Transform> const& q,
                                                     Form form = {}, Rounding rounding = {}) {
  auto plain = dequantize(ex, q);
  auto const w = plain.view(q.extents());
  gelu(ex, w, w, form);
  return detail::quantized_like(ex, w, q, rounding);
}

}  // namespace halfstep
