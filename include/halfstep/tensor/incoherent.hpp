// Tensors in a basis that mixes rows: from weights, back to numbers, and products with them.
#pragma once

#include <algorithm>
#include <type_traits>
#include <utility>

#include <halfstep/core/buffer.hpp>
#include <halfstep/core/error.hpp>
#include <halfstep/core/extents.hpp>
#include <halfstep/core/matrix_view.hpp>
#include <halfstep/core/source.hpp>
#include <halfstep/exec/concept.hpp>
#include <halfstep/kernel/dequantize.hpp>
#include <halfstep/kernel/group_range.hpp>
#include <halfstep/linalg/gemm.hpp>
#include <halfstep/linalg/linear.hpp>
#include <halfstep/tensor/linear_int8.hpp>
#include <halfstep/tensor/quantized_tensor.hpp>
#include <halfstep/tensor/quantizer.hpp>
#include <halfstep/tensor/require_layer.hpp>
#include <halfstep/transform/whole_basis.hpp>

namespace halfstep {

namespace detail {

/// Stores `from` in the first rows and columns of `to`, and zeros in the others.
template <class Executor, class Source>
void pad_into(Executor const& ex, host_view<Source const> from, host_view<float> to) {
  ex.for_each(to.rows(), [&](index_t row) {
    index_t const kept = row < from.rows() ? std::min(from.columns(), to.columns()) : 0;
    for (index_t k = 0; k < kept; ++k) to(row, k) = widen(from(row, k));
    std::fill(to.row(row) + kept, to.row(row) + to.columns(), 0.0f);
  });
}

/// Stores the first rows and columns of `from` in `to`.
template <class Executor>
void crop_into(Executor const& ex, host_view<float const> from, host_view<float> to) {
  ex.for_each(to.rows(), [&](index_t row) { std::copy_n(from.row(row), to.columns(), to.row(row)); });
}

/// Stores y = x W^T + b through `product(x', y')`, which multiplies in the basis of the codes.
template <class Executor, whole_basis Basis, class Product>
void linear_in_basis(Executor const& ex, host_view<float const> x, Basis const& basis, host_view<float const> bias,
                     host_view<float> y, Product const& product) {
  require_layer(basis.original(), x, bias, y);
  extents2 const in{x.rows(), basis.padded().columns}, out{x.rows(), basis.padded().rows};
  host_buffer<float> inputs(in.count()), outputs(out.count());
  pad_into(ex, x, inputs.view(in));
  basis.apply_to_input(ex, inputs.view(in));
  product(host_view<float const>(inputs.view(in)), outputs.view(out));
  basis.invert_output(ex, outputs.view(out));
  crop_into(ex, outputs.view(out), y);
  if (bias.extents().count() == 0) return;
  ex.for_each(y.rows(), [&](index_t row) {
    for (index_t k = 0; k < y.columns(); ++k) y(row, k) += bias(0, k);
  });
}

}  // namespace detail

/// Quantizes whole weights in a basis that mixes rows: adds zeros, changes the basis, and quantizes what that gives.
///
/// The element numbers that `Rounding` sees are places in the padded tensor. The same codes and groups on every executor.
template <class Layout, class Rounding, whole_basis Basis>
class quantizer<Layout, Rounding, Basis> {
 public:
  explicit quantizer(Rounding rounding, Basis basis) : rounding_(std::move(rounding)), basis_(std::move(basis)) {}

  /// Returns `weight` [basis.original()] quantized in the shape basis.padded(), its type remembered.
  ///
  /// Allocates the result and FP32 scratch of its shape. Throws shape_error where layout or basis cannot take the shape, and
  /// value_error naming the first element that is not finite.
  template <host_executor Executor, class Source>
  quantized_tensor<Layout, host_space, Basis> operator()(Executor const& ex, host_view<Source const> weight) const {
    require_extents(weight.extents(), basis_.original(), "halfstep: the weight given to a quantizer whose basis mixes rows");
    if (!is_finite(matrix_range(ex, weight).amax)) detail::refuse_not_finite(weight);
    host_buffer<float> scratch(basis_.padded().count());
    auto const padded = scratch.view(basis_.padded());
    detail::pad_into(ex, weight, padded);
    basis_.apply(ex, padded);
    auto [codes, groups] = quantizer<Layout, Rounding>(rounding_)(ex, padded).release();
    return {basis_.padded(), std::move(codes), std::move(groups), basis_, source_traits<Source>::type};
  }

 private:
  Rounding rounding_;
  Basis basis_;
};

/// Stores the W [M, N] that `q` stands for, without the zeros that were added to it.
///
/// Needs FP32 scratch of the padded shape. Throws shape_error unless `out` is [M, N].
template <host_executor Executor, class Layout, whole_basis Basis>
void dequantize(Executor const& ex, quantized_tensor<Layout, typename Executor::space, Basis> const& q,
                matrix_view<float, typename Executor::space> out) {
  require_extents(out.extents(), q.transform().original(), "halfstep: the output of dequantize");
  host_buffer<float> plain(q.extents().count());
  auto const w = plain.view(q.extents());
  dequantize<Layout>(ex, q.codes(), q.groups(), w);
  q.transform().invert(ex, w);
  detail::crop_into(ex, w, out);
}

/// Returns the W [M, N] that `q` stands for.
template <host_executor Executor, class Layout, whole_basis Basis>
host_buffer<float> dequantize(Executor const& ex, quantized_tensor<Layout, typename Executor::space, Basis> const& q) {
  host_buffer<float> out(q.transform().original().count());
  dequantize(ex, q, out.view(q.transform().original()));
  return out;
}

/// Stores y = x W^T + b: input and output go through what the basis asks of them.
///
/// x [B, N]; w [M, N] before it was padded; bias [1, M], or empty for none; y [B, M]. Needs FP32 scratch for W' and for padded x
/// and y. Throws shape_error.
template <host_executor Executor, class Layout, whole_basis Basis>
void linear(Executor const& ex, matrix_view<float const, typename Executor::space> x,
            quantized_tensor<Layout, typename Executor::space, Basis> const& w,
            matrix_view<float const, typename Executor::space> bias, matrix_view<float, typename Executor::space> y) {
  detail::linear_in_basis(ex, x, w.transform(), bias, y, [&](host_view<float const> inputs, host_view<float> outputs) {
    host_buffer<float> plain(w.extents().count());
    dequantize<Layout>(ex, w.codes(), w.groups(), plain.view(w.extents()));
    linear(ex, inputs, plain.view(w.extents()), host_view<float const>{}, outputs);
  });
}

/// Stores y = x W^T + b as above, by an integer product: the input is rounded to INT8 in the basis of the codes.
///
/// The same bits on every executor. Needs FP32 scratch for padded x and y, none for W'. Throws value_error where x is not finite.
template <host_executor Executor, class Layout, whole_basis Basis>
void linear(Executor const& ex, matrix_view<float const, typename Executor::space> x,
            quantized_tensor<Layout, typename Executor::space, Basis> const& w,
            matrix_view<float const, typename Executor::space> bias, matrix_view<float, typename Executor::space> y,
            int8_activations) {
  detail::linear_in_basis(ex, x, w.transform(), bias, y, [&](host_view<float const> inputs, host_view<float> outputs) {
    detail::round_and_multiply<Layout>(ex, inputs, w.codes(), w.groups(), host_view<float const>{}, outputs);
  });
}

/// Stores y = x W; x [B, M]; y [B, N]. Needs FP32 scratch for W' and W. Throws shape_error.
template <host_executor Executor, class Layout, whole_basis Basis>
void matmul(Executor const& ex, matrix_view<float const, typename Executor::space> x,
            quantized_tensor<Layout, typename Executor::space, Basis> const& w, matrix_view<float, typename Executor::space> y) {
  auto const plain = dequantize(ex, w);
  gemm(ex, x, plain.view(w.transform().original()), y);
}

}  // namespace halfstep
