// Products of inputs that are rounded to INT8 with a weight of INT8 codes, on the device.
#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>

#include <halfstep/core/bits.hpp>
#include <halfstep/core/compiler.hpp>
#include <halfstep/core/error.hpp>
#include <halfstep/core/matrix_view.hpp>
#include <halfstep/exec/concept.hpp>
#include <halfstep/exec/device_workspace.hpp>
#include <halfstep/exec/without_waits.hpp>
#include <halfstep/kernel/fit_quantize.cuh>
#include <halfstep/kernel/for_each_index.cuh>
#include <halfstep/kernel/linear_int8.cuh>
#include <halfstep/kernel/widen.cuh>
#include <halfstep/layout/int8_axis.hpp>
#include <halfstep/tensor/linear_int8.hpp>
#include <halfstep/tensor/quantized_tensor.hpp>
#include <halfstep/tensor/quantizer.cuh>
#include <halfstep/transform/identity.hpp>

namespace halfstep {

namespace detail {

/// An input [B, N] rounded to INT8, in a workspace: ranges and scales [B, 1], codes [B, N].
struct rounded_input {
  rounded_input(device_workspace& memory, extents2 e)
      : ranges(memory.take<value_range>(e.rows), {e.rows, 1}),
        scales(memory.take<float>(e.rows), {e.rows, 1}),
        codes(memory.take<std::int8_t>(e.count()), e) {}

  device_view<value_range> ranges;
  device_view<float> scales;
  device_view<std::int8_t> codes;
};

/// Makes a scale NaN where its row is not finite, and so all that comes of the row.
struct spoil_scale {
  value_range const* ranges;
  float* scales;
  HALFSTEP_HD void operator()(index_t row) const {
    if (!is_finite(ranges[row].amax)) scales[row] = float_of(0x7fc00000u);
  }
};

/// Stores y = x W^T + b for inputs in the basis of the codes, which are rounded on the way, and returns the ranges of their rows.
/// Rows that are not finite give NaN. Runs in stream order.
template <class Layout, device_executor Executor>
device_view<value_range const> round_and_multiply_async(Executor const& ex, device_view<float const> x,
                                                        device_view<std::int8_t const> codes, device_view<float const> groups,
                                                        device_view<float const> bias, device_view<float> y,
                                                        device_workspace& memory) {
  rounded_input const rounded(memory, x.extents());
  fit_quantize_async<int8_axis>(ex, x, rounded.ranges, rounded.scales, rounded.codes, nearest{});
  for_each_index_async(ex, x.rows(), spoil_scale{rounded.ranges.data(), rounded.scales.data()});
  linear_int8_async<Layout>(ex, device_view<std::int8_t const>(rounded.codes), device_view<float const>(rounded.scales), codes,
                            groups, bias, y);
  return rounded.ranges;
}

/// Returns `x` in the basis of the codes of `w`, itself where that is its own. Runs in stream order.
template <class Executor, class Layout, class Transform>
device_view<float const> input_in_basis_async(Executor const& ex, device_view<float const> x,
                                              quantized_tensor<Layout, device_space, Transform> const& w,
                                              device_workspace& memory) {
  static_assert(check_transform<Transform>());
  require_extents({1, x.columns()}, {1, w.extents().columns}, "halfstep: the columns of weight and input in linear");
  if constexpr (std::same_as<Transform, identity>) {
    return x;
  } else {
    device_view<float> const input(memory.take<float>(x.extents().count()), x.extents());
    widen_async(ex, x, input);
    w.transform().apply_to_input(without_waits<Executor>(ex), input);
    return input;
  }
}

}  // namespace detail

/// Returns how many bytes of workspace `linear_async` with rounded inputs of `rows` rows needs.
template <class Layout, class Transform>
std::size_t workspace_bytes(index_t rows, quantized_tensor<Layout, device_space, Transform> const& w, int8_activations) {
  static_assert(check_transform<Transform>());
  extents2 const e{rows, w.extents().columns};
  auto memory = device_workspace::counting();
  if constexpr (!std::same_as<Transform, identity>) static_cast<void>(memory.take<float>(e.count()));
  detail::rounded_input const rounded(memory, e);
  return memory.used();
}

/// Stores y = x W^T + b with an integer product: the bits of the host overload, which says the rest; a row of x that is not
/// finite gives a row of NaN.
///
/// Runs in stream order, allocates nothing and waits for nothing, so that a graph can capture it. Throws shape_error, cuda_error,
/// value_error where the workspace has fewer than `workspace_bytes`.
template <device_executor Executor, class Layout, class Transform>
void linear_async(Executor const& ex, device_view<float const> x, quantized_tensor<Layout, device_space, Transform> const& w,
                  device_view<float const> bias, device_view<float> y, int8_activations, device_workspace memory) {
  auto const input = detail::input_in_basis_async(ex, x, w, memory);
  detail::round_and_multiply_async<Layout>(ex, input, w.codes(), w.groups(), bias, y, memory);
}

/// Stores y = x W^T + b with an integer product: the bits of the host overload, which says the rest.
///
/// Allocates its workspace through the executor, and waits for it. Throws shape_error, cuda_error, value_error where x is not
/// finite.
template <device_executor Executor, class Layout, class Transform>
void linear(Executor const& ex, matrix_view<float const, typename Executor::space> x,
            quantized_tensor<Layout, typename Executor::space, Transform> const& w,
            matrix_view<float const, typename Executor::space> bias, matrix_view<float, typename Executor::space> y,
            int8_activations how) {
  std::size_t const bytes = workspace_bytes(x.rows(), w, how);
  auto scratch = ex.template allocate<std::byte>(static_cast<index_t>(bytes));
  device_workspace memory(scratch.data(), bytes);
  auto const input = detail::input_in_basis_async(ex, x, w, memory);
  auto const ranges = detail::round_and_multiply_async<Layout>(ex, input, w.codes(), w.groups(), bias, y, memory);
  detail::require_finite(ex, ranges, input);
}

}  // namespace halfstep
