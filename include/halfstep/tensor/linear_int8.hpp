// Products of inputs that are rounded to INT8 with a weight of INT8 codes. The device overload is in linear_int8.cuh.
#pragma once

#include <concepts>

#include <halfstep/core/buffer.hpp>
#include <halfstep/core/error.hpp>
#include <halfstep/core/matrix_view.hpp>
#include <halfstep/exec/concept.hpp>
#include <halfstep/kernel/linear_int8.hpp>
#include <halfstep/kernel/widen.hpp>
#include <halfstep/layout/int8_axis.hpp>
#include <halfstep/tensor/quantized_tensor.hpp>
#include <halfstep/tensor/quantizer.hpp>
#include <halfstep/transform/identity.hpp>

namespace halfstep {

/// Says that a product rounds its inputs to INT8, each row to nearest with a scale of its own, as ComfyUI runs INT8 layers.
struct int8_activations {};

namespace detail {

/// Stores y = x W^T + b for inputs in the basis of the codes, which are rounded on the way.
template <class Layout, host_executor Executor>
void round_and_multiply(Executor const& ex, host_view<float const> x, host_view<std::int8_t const> codes,
                        host_view<float const> groups, host_view<float const> bias, host_view<float> y) {
  auto const rounded = quantizer<int8_axis>()(ex, x);
  linear_int8<Layout>(ex, rounded.codes(), rounded.groups(), codes, groups, bias, y);
}

}  // namespace detail

/// Stores y = x W^T + b with an integer product, where `w` is W quantized and x is rounded to INT8 in the basis of the codes.
///
/// x [B, N]; w [M, N]; bias [1, M], or empty for none; y [B, M]. The same bits on every executor. Needs the codes of x, and FP32
/// scratch for it where there is a transform. Throws shape_error, value_error where x is not finite.
template <host_executor Executor, class Layout, class Transform>
void linear(Executor const& ex, matrix_view<float const, typename Executor::space> x,
            quantized_tensor<Layout, typename Executor::space, Transform> const& w,
            matrix_view<float const, typename Executor::space> bias, matrix_view<float, typename Executor::space> y,
            int8_activations) {
  static_assert(check_transform<Transform>());
  if constexpr (std::same_as<Transform, identity>) {
    detail::round_and_multiply<Layout>(ex, x, w.codes(), w.groups(), bias, y);
  } else {
    require_extents({1, x.columns()}, {1, w.extents().columns}, "halfstep: the columns of weight and input in linear");
    host_buffer<float> copy(x.extents().count());
    auto const input = copy.view(x.extents());
    widen(ex, x, input);
    w.transform().apply_to_input(ex, input);
    detail::round_and_multiply<Layout>(ex, input, w.codes(), w.groups(), bias, y);
  }
}

}  // namespace halfstep
