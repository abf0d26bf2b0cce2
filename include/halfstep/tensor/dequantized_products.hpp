// Products with a quantized weight that is dequantized first, wherever the executor is.
//
// Their kernels come from linear.hpp on the host and from linear.cuh on a device.
#pragma once

#include <concepts>

#include <halfstep/core/matrix_view.hpp>
#include <halfstep/exec/concept.hpp>
#include <halfstep/exec/scratch.hpp>
#include <halfstep/exec/without_waits.hpp>
#include <halfstep/tensor/quantized_tensor.hpp>
#include <halfstep/transform/concept.hpp>
#include <halfstep/transform/identity.hpp>

namespace halfstep {

// A layout gets an operation of its own with an overload beside it, for quantized_tensor of that layout: it is the more
// specialized one, and argument-dependent lookup finds it. The ones here dequantize and compute.

/// Stores y = x W^T + b, where `w` is W quantized; the input goes through what the transform asks of it.
///
/// x [B, N]; w [M, N]; bias [1, M], or empty for none; y [B, M]. Needs FP32 scratch for W, and for x where there is a transform.
/// Waits for the executor. Throws shape_error.
template <executor Executor, class Layout, class Transform>
void linear(Executor const& ex, matrix_view<float const, typename Executor::space> x,
            quantized_tensor<Layout, typename Executor::space, Transform> const& w,
            matrix_view<float const, typename Executor::space> bias, matrix_view<float, typename Executor::space> y) {
  static_assert(check_transform<Transform>());
  using space = typename Executor::space;
  auto&& queue = detail::queue_of(ex);
  auto plain = detail::scratch<float>(ex, w.extents().count());
  matrix_view<float, space> const weight(plain.data(), w.extents());
  dequantize<Layout>(queue, w.codes(), w.groups(), weight);
  if constexpr (std::same_as<Transform, identity>) {
    linear(queue, x, matrix_view<float const, space>(weight), bias, y);
  } else {
    require_extents({1, x.columns()}, {1, w.extents().columns}, "halfstep: the columns of weight and input in linear");
    auto copy = detail::scratch<float>(ex, x.extents().count());
    matrix_view<float, space> const input(copy.data(), x.extents());
    widen(queue, x, input);
    w.transform().apply_to_input(queue, input);
    linear(queue, matrix_view<float const, space>(input), matrix_view<float const, space>(weight), bias, y);
  }
  ex.wait();
}

/// Stores y = x W, where `w` is W quantized.
///
/// x [B, M]; w [M, N]; y [B, N]. Needs FP32 scratch for W. Waits for the executor. Throws shape_error.
template <executor Executor, class Layout, class Transform>
void matmul(Executor const& ex, matrix_view<float const, typename Executor::space> x,
            quantized_tensor<Layout, typename Executor::space, Transform> const& w,
            matrix_view<float, typename Executor::space> y) {
  static_assert(check_transform<Transform>());
  using space = typename Executor::space;
  auto&& queue = detail::queue_of(ex);
  auto plain = detail::scratch<float>(ex, w.extents().count());
  matrix_view<float, space> const weight(plain.data(), w.extents());
  dequantize<Layout>(queue, w.codes(), w.groups(), weight);
  gemm(queue, x, matrix_view<float const, space>(weight), y);
  w.transform().invert(queue, y);  // linear in the rows of W, so it can wait until after the product
  ex.wait();
}

}  // namespace halfstep
