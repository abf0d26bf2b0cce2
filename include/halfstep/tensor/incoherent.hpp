// Tensors whose rows and columns are both rotated: back to numbers, and products with them.
#pragma once

#include <algorithm>

#include <halfstep/core/buffer.hpp>
#include <halfstep/core/matrix_view.hpp>
#include <halfstep/exec/concept.hpp>
#include <halfstep/kernel/dequantize.hpp>
#include <halfstep/kernel/gemm.hpp>
#include <halfstep/kernel/linear.hpp>
#include <halfstep/tensor/quantized_tensor.hpp>
#include <halfstep/transform/two_sided_hadamard.hpp>

namespace halfstep {

namespace detail {

/// Stores `from` in the first rows and columns of `to`, and zeros in the others.
template <class Executor>
void pad_into(Executor const& ex, host_view<float const> from, host_view<float> to) {
  ex.for_each(to.rows(), [&](index_t row) {
    index_t const kept = row < from.rows() ? std::min(from.columns(), to.columns()) : 0;
    if (kept > 0) std::copy_n(from.row(row), kept, to.row(row));
    std::fill(to.row(row) + kept, to.row(row) + to.columns(), 0.0f);
  });
}

/// Stores the first rows and columns of `from` in `to`.
template <class Executor>
void crop_into(Executor const& ex, host_view<float const> from, host_view<float> to) {
  ex.for_each(to.rows(), [&](index_t row) { std::copy_n(from.row(row), to.columns(), to.row(row)); });
}

}  // namespace detail

/// Stores the W [M, N] that `q` stands for, without the zeros that were added to it.
///
/// Needs FP32 scratch of the padded shape. Throws shape_error unless `out` is [M, N].
template <host_executor Executor, class Layout>
void dequantize(Executor const& ex, quantized_tensor<Layout, typename Executor::space, two_sided_hadamard> const& q,
                matrix_view<float, typename Executor::space> out) {
  require_extents(out.extents(), q.transform().original(), "halfstep: the output of dequantize");
  host_buffer<float> const plain(q.extents().count());
  auto const w = plain.view(q.extents());
  dequantize<Layout>(ex, q.codes(), q.groups(), w);
  q.transform().invert(ex, w);
  detail::crop_into(ex, host_view<float const>(w), out);
}

/// Returns the W [M, N] that `q` stands for.
template <host_executor Executor, class Layout>
host_buffer<float> dequantize(Executor const& ex,
                              quantized_tensor<Layout, typename Executor::space, two_sided_hadamard> const& q) {
  host_buffer<float> out(q.transform().original().count());
  dequantize(ex, q, out.view(q.transform().original()));
  return out;
}

/// Stores y = x W^T + b: the input goes through signs and Hadamard matrix, the product through those of the rows.
///
/// x [B, N]; w [M, N] before it was padded; bias [1, M], or empty for none; y [B, M]. Needs FP32 scratch for W' and for padded x
/// and y. Throws shape_error.
template <host_executor Executor, class Layout>
void linear(Executor const& ex, matrix_view<float const, typename Executor::space> x,
            quantized_tensor<Layout, typename Executor::space, two_sided_hadamard> const& w,
            matrix_view<float const, typename Executor::space> bias, matrix_view<float, typename Executor::space> y) {
  auto const& basis = w.transform();
  extents2 const e = basis.original();
  require_extents({1, x.columns()}, {1, e.columns}, "halfstep: the columns of weight and input in linear");
  require_extents(y.extents(), {x.rows(), e.rows}, "halfstep: the output of linear");
  if (bias.extents().count() != 0) require_extents(bias.extents(), {1, e.rows}, "halfstep: the bias of linear");
  extents2 const in{x.rows(), w.extents().columns}, out{x.rows(), w.extents().rows};
  host_buffer<float> const plain(w.extents().count()), inputs(in.count()), outputs(out.count());
  dequantize<Layout>(ex, w.codes(), w.groups(), plain.view(w.extents()));
  detail::pad_into(ex, x, inputs.view(in));
  basis.apply_to_input(ex, inputs.view(in));
  linear(ex, host_view<float const>(inputs.view(in)), host_view<float const>(plain.view(w.extents())), host_view<float const>{},
         outputs.view(out));
  basis.invert_output(ex, outputs.view(out));
  detail::crop_into(ex, host_view<float const>(outputs.view(out)), y);
  if (bias.extents().count() == 0) return;
  ex.for_each(y.rows(), [&](index_t row) {
    for (index_t k = 0; k < y.columns(); ++k) y(row, k) += bias(0, k);
  });
}

/// Stores y = x W; x [B, M]; y [B, N]. Otherwise as `linear`.
template <host_executor Executor, class Layout>
void matmul(Executor const& ex, matrix_view<float const, typename Executor::space> x,
            quantized_tensor<Layout, typename Executor::space, two_sided_hadamard> const& w,
            matrix_view<float, typename Executor::space> y) {
  auto const& basis = w.transform();
  extents2 const e = basis.original();
  require_extents({1, x.columns()}, {1, e.rows}, "halfstep: the rows of the weight and columns of the input in matmul");
  require_extents(y.extents(), {x.rows(), e.columns}, "halfstep: the output of matmul");
  extents2 const in{x.rows(), w.extents().rows}, out{x.rows(), w.extents().columns};
  host_buffer<float> const plain(w.extents().count()), inputs(in.count()), outputs(out.count());
  dequantize<Layout>(ex, w.codes(), w.groups(), plain.view(w.extents()));
  detail::pad_into(ex, x, inputs.view(in));
  basis.apply_to_output(ex, inputs.view(in));
  gemm(ex, host_view<float const>(inputs.view(in)), host_view<float const>(plain.view(w.extents())), outputs.view(out));
  basis.invert_input(ex, outputs.view(out));
  detail::crop_into(ex, host_view<float const>(outputs.view(out)), y);
}

}  // namespace halfstep
