// Products with a quantized weight on the host; on a device they come from linear.cuh.
#pragma once

#include <halfstep/core/matrix_view.hpp>
#include <halfstep/exec/concept.hpp>
#include <halfstep/kernel/dequantize.hpp>
#include <halfstep/kernel/widen.hpp>
#include <halfstep/linalg/gemm.hpp>
#include <halfstep/linalg/linear.hpp>
#include <halfstep/tensor/dequantized_products.hpp>
#include <halfstep/tensor/quantized_tensor.hpp>
#include <halfstep/tensor/require_layer.hpp>

namespace halfstep {

/// Stores y = a + x W, where `w` is W quantized.
///
/// a [B, N], or [1, N] for every row; otherwise as `matmul`.
template <host_executor Executor, class Layout, class Transform>
void addmm(Executor const& ex, host_view<float const> a, host_view<float const> x,
           quantized_tensor<Layout, host_space, Transform> const& w, host_view<float> y) {
  detail::require_addend(a, y);
  matmul(ex, x, w, y);
  ex.for_each(y.rows(), [&](index_t row) {
    float const* const addend = a.row(a.rows() == 1 ? 0 : row);
    for (index_t column = 0; column < y.columns(); ++column) y(row, column) += addend[column];
  });
}

}  // namespace halfstep
