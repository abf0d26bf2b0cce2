// Products of inputs that are rounded to INT8 with a weight of INT8 codes, on the device.
#pragma once

#include <concepts>

#include <halfstep/core/error.hpp>
#include <halfstep/core/matrix_view.hpp>
#include <halfstep/exec/concept.hpp>
#include <halfstep/kernel/linear_int8.cuh>
#include <halfstep/kernel/widen.cuh>
#include <halfstep/layout/int8_axis.hpp>
#include <halfstep/tensor/linear_int8.hpp>
#include <halfstep/tensor/quantized_tensor.hpp>
#include <halfstep/tensor/quantizer.cuh>
#include <halfstep/transform/identity.hpp>

namespace halfstep {

namespace detail {

/// Stores y = x W^T + b for inputs in the basis of the codes, which are rounded on the way; waits.
template <class Layout, device_executor Executor>
void round_and_multiply(Executor const& ex, device_view<float const> x, device_view<std::int8_t const> codes,
                        device_view<float const> groups, device_view<float const> bias, device_view<float> y) {
  auto const rounded = quantize_on_device<int8_axis>(ex, x);
  linear_int8<Layout>(ex, rounded.codes(), rounded.groups(), codes, groups, bias, y);
  ex.wait();
}

}  // namespace detail

/// Stores y = x W^T + b with an integer product: the bits of the host overload, which says the rest.
///
/// Waits for the executor. Throws shape_error, cuda_error, value_error where x is not finite.
template <device_executor Executor, class Layout, class Transform>
void linear(Executor const& ex, matrix_view<float const, typename Executor::space> x,
            quantized_tensor<Layout, typename Executor::space, Transform> const& w,
            matrix_view<float const, typename Executor::space> bias, matrix_view<float, typename Executor::space> y,
            int8_activations) {
  static_assert(check_transform<Transform>());
  if constexpr (std::same_as<Transform, identity>) {
    detail::round_and_multiply<Layout>(ex, x, w.codes(), w.groups(), bias, y);
  } else {
    require_extents({1, x.columns()}, {1, w.extents().columns}, "halfstep: the columns of weight and input in linear");
    auto const copy = ex.template allocate<float>(x.extents().count());
    device_view<float> const input(copy.data(), x.extents());
    widen(ex, x, input);
    w.transform().apply_to_input(ex, input);
    detail::round_and_multiply<Layout>(ex, device_view<float const>(input), w.codes(), w.groups(), bias, y);
  }
}

}  // namespace halfstep
