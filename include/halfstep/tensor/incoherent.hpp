// Tensors whose rows and columns are both rotated: back to numbers, and products with them.
#pragma once

#include <algorithm>

#include <halfstep/core/buffer.hpp>
#include <halfstep/core/compiler.hpp>
#include <halfstep/core/error.hpp>
#include <halfstep/core/extents.hpp>
#include <halfstep/core/matrix_view.hpp>
#include <halfstep/exec/concept.hpp>
#include <halfstep/kernel/dequantize.hpp>
#include <halfstep/kernel/for_each_index.hpp>
#include <halfstep/kernel/hadamard.hpp>
#include <halfstep/linalg/gemm.hpp>
#include <halfstep/linalg/linear.hpp>
#include <halfstep/tensor/linear_int8.hpp>
#include <halfstep/tensor/quantized_tensor.hpp>
#include <halfstep/transform/two_sided_hadamard.hpp>

namespace halfstep {

/// Element `i` of `to`: that of `from` times its column's sign, 0 where `from` has none.
struct pad_with_signs {
  float const* from;
  extents2 given;
  float const* signs;
  float* to;
  index_t columns;  ///< of `to`

  HALFSTEP_HD void operator()(index_t i) const {
    index_t const row = i / columns, column = i % columns;
    to[i] = row < given.rows && column < given.columns ? from[row * given.columns + column] * signs[column] : 0.0f;
  }
};

/// Element `i` of `to`, a part of `from`: times its column's sign, and the column's addend where there are any.
struct crop_with_signs {
  float const* from;
  index_t columns;  ///< of `from`
  float const* signs;
  float const* addend;  ///< one value a column, or null
  float* to;
  index_t kept;  ///< columns of `to`

  HALFSTEP_HD void operator()(index_t i) const {
    index_t const row = i / kept, column = i % kept;
    float const x = from[row * columns + column] * signs[column];  // exact, so that nothing depends on contraction
    to[i] = addend != nullptr ? x + addend[column] : x;
  }
};

namespace detail {

/// Stores y = x W^T + b through `product(x', y')`, which multiplies in the basis of the codes; the signs lie in Executor's space.
template <class Executor, class Space, class Product>
void linear_in_basis(Executor const& ex, matrix_view<float const, Space> x, two_sided_hadamard const& basis,
                     float const* row_signs, float const* column_signs, matrix_view<float const, Space> bias,
                     matrix_view<float, Space> y, matrix_view<float, Space> inputs, matrix_view<float, Space> outputs,
                     Product const& product) {
  extents2 const e = basis.original();
  require_extents({1, x.columns()}, {1, e.columns}, "halfstep: the columns of weight and input in linear");
  require_extents(y.extents(), {x.rows(), e.rows}, "halfstep: the output of linear");
  bool const is_biased = bias.extents().count() != 0;
  if (is_biased) require_extents(bias.extents(), {1, e.rows}, "halfstep: the bias of linear");
  for_each_index(ex, inputs.extents().count(),
                 pad_with_signs{x.data(), x.extents(), column_signs, inputs.data(), inputs.columns()});
  hadamard(ex, inputs, static_cast<int>(inputs.columns()));
  product(matrix_view<float const, Space>(inputs), outputs);
  hadamard(ex, outputs, static_cast<int>(outputs.columns()));
  for_each_index(
      ex, y.extents().count(),
      crop_with_signs{outputs.data(), outputs.columns(), row_signs, is_biased ? bias.data() : nullptr, y.data(), y.columns()});
}

/// The same on the host, with memory for the padded matrices.
template <class Executor, class Product>
void linear_in_basis(Executor const& ex, host_view<float const> x, two_sided_hadamard const& basis, host_view<float const> bias,
                     host_view<float> y, Product const& product) {
  extents2 const in{x.rows(), basis.padded().columns}, out{x.rows(), basis.padded().rows};
  host_buffer<float> const inputs(in.count()), outputs(out.count());
  linear_in_basis(ex, x, basis, basis.row_signs().data(), basis.column_signs().data(), bias, y, inputs.view(in),
                  outputs.view(out), product);
}

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
  detail::linear_in_basis(ex, x, w.transform(), bias, y, [&](host_view<float const> inputs, host_view<float> outputs) {
    host_buffer<float> const plain(w.extents().count());
    dequantize<Layout>(ex, w.codes(), w.groups(), plain.view(w.extents()));
    linear(ex, inputs, host_view<float const>(plain.view(w.extents())), host_view<float const>{}, outputs);
  });
}

/// Stores y = x W^T + b as above, by an integer product: the input is rounded to INT8 after signs and Hadamard matrix.
///
/// The same bits on every executor. Needs FP32 scratch for padded x and y, none for W'. Throws value_error where x is not finite.
template <host_executor Executor, class Layout>
void linear(Executor const& ex, matrix_view<float const, typename Executor::space> x,
            quantized_tensor<Layout, typename Executor::space, two_sided_hadamard> const& w,
            matrix_view<float const, typename Executor::space> bias, matrix_view<float, typename Executor::space> y,
            int8_activations) {
  detail::linear_in_basis(ex, x, w.transform(), bias, y, [&](host_view<float const> inputs, host_view<float> outputs) {
    detail::round_and_multiply<Layout>(ex, inputs, w.codes(), w.groups(), host_view<float const>{}, outputs);
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
