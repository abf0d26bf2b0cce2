// Products with a quantized weight.
#pragma once

#include <concepts>

#include <halfstep/core/buffer.hpp>
#include <halfstep/core/matrix_view.hpp>
#include <halfstep/exec/concept.hpp>
#include <halfstep/kernel/dequantize.hpp>
#include <halfstep/kernel/widen.hpp>
#include <halfstep/linalg/gemm.hpp>
#include <halfstep/linalg/linear.hpp>
#include <halfstep/tensor/quantized_tensor.hpp>

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
  buffer<float, space> const plain(w.extents().count());
  auto const weight = plain.view(w.extents());
  dequantize<Layout>(ex, w.codes(), w.groups(), weight);
  if constexpr (std::same_as<Transform, identity>) {
    linear(ex, x, matrix_view<float const, space>(weight), bias, y);
  } else {
    require_extents({1, x.columns()}, {1, w.extents().columns}, "halfstep: the columns of weight and input in linear");
    buffer<float, space> const copy(x.extents().count());
    auto const input = copy.view(x.extents());
    widen(ex, x, input);
    w.transform().apply_to_input(ex, input);
    linear(ex, matrix_view<float const, space>(input), matrix_view<float const, space>(weight), bias, y);
    ex.wait();
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
  buffer<float, space> const plain(w.extents().count());
  auto const weight = plain.view(w.extents());
  dequantize<Layout>(ex, w.codes(), w.groups(), weight);
  gemm(ex, x, matrix_view<float const, space>(weight), y);
  w.transform().invert(ex, y);  // linear in the rows of W, so it can wait until after the product
  ex.wait();
}

/// Stores y = a + x W, where `w` is W quantized.
///
/// a [B, N], or [1, N] for every row; otherwise as `matmul`.
template <host_executor Executor, class Layout, class Transform>
void addmm(Executor const& ex, host_view<float const> a, host_view<float const> x,
           quantized_tensor<Layout, host_space, Transform> const& w, host_view<float> y) {
  if (a.rows() != 1) require_extents(a.extents(), y.extents(), "halfstep: the addend of addmm");
  require_extents({1, a.columns()}, {1, y.columns()}, "halfstep: the columns of the addend of addmm");
  matmul(ex, x, w, y);
  ex.for_each(y.rows(), [&](index_t row) {
    float const* const addend = a.row(a.rows() == 1 ? 0 : row);
    for (index_t column = 0; column < y.columns(); ++column) y(row, column) += addend[column];
  });
}

}  // namespace halfstep
