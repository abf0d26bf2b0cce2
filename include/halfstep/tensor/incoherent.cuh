// Products with tensors in a basis that mixes rows, on the device: QuIP's rotations of rows and columns.
#pragma once

#include <span>

#include <halfstep/core/compiler.hpp>
#include <halfstep/core/extents.hpp>
#include <halfstep/core/matrix_view.hpp>
#include <halfstep/exec/concept.hpp>
#include <halfstep/kernel/dequantize.cuh>
#include <halfstep/kernel/for_each_index.cuh>
#include <halfstep/kernel/hadamard.cuh>
#include <halfstep/linalg/linear.cuh>
#include <halfstep/tensor/incoherent.hpp>
#include <halfstep/tensor/linear_int8.cuh>
#include <halfstep/tensor/quantized_tensor.hpp>
#include <halfstep/transform/two_sided_hadamard.hpp>

namespace halfstep {

namespace detail {

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

/// Stores y = x W^T + b through `product` on the device, with memory there for the signs and the padded matrices; waits.
template <class Executor, class Product>
void linear_in_basis(Executor const& ex, device_view<float const> x, two_sided_hadamard const& basis,
                     device_view<float const> bias, device_view<float> y, Product const& product) {
  require_layer(basis.original(), x, bias, y);
  extents2 const in{x.rows(), basis.padded().columns}, out{x.rows(), basis.padded().rows};
  auto const row_signs = ex.template allocate<float>(out.columns);
  auto const column_signs = ex.template allocate<float>(in.columns);
  auto const input_memory = ex.template allocate<float>(in.count());
  auto const output_memory = ex.template allocate<float>(out.count());
  device_view<float> const inputs(input_memory.data(), in), outputs(output_memory.data(), out);
  ex.write(basis.row_signs().data(), row_signs.data(), out.columns);
  ex.write(basis.column_signs().data(), column_signs.data(), in.columns);
  for_each_index(ex, in.count(), pad_with_signs{x.data(), x.extents(), column_signs.data(), inputs.data(), in.columns});
  hadamard(ex, inputs, static_cast<int>(in.columns));
  product(device_view<float const>(inputs), outputs);
  hadamard(ex, outputs, static_cast<int>(out.columns));
  float const* const addend = bias.extents().count() != 0 ? bias.data() : nullptr;
  for_each_index(ex, y.extents().count(),
                 crop_with_signs{outputs.data(), out.columns, row_signs.data(), addend, y.data(), y.columns()});
  ex.wait();
}

}  // namespace detail

/// Stores y = x W^T + b as the host overload does, within rounding. Waits for the executor. Throws shape_error, cuda_error.
template <device_executor Executor, class Layout>
void linear(Executor const& ex, matrix_view<float const, typename Executor::space> x,
            quantized_tensor<Layout, typename Executor::space, two_sided_hadamard> const& w,
            matrix_view<float const, typename Executor::space> bias, matrix_view<float, typename Executor::space> y) {
  detail::linear_in_basis(ex, x, w.transform(), bias, y, [&](device_view<float const> inputs, device_view<float> outputs) {
    auto const plain = ex.template allocate<float>(w.extents().count());
    device_view<float> const weight(plain.data(), w.extents());
    dequantize<Layout>(ex, w.codes(), w.groups(), weight);
    linear(ex, inputs, device_view<float const>(weight), device_view<float const>{}, outputs);
  });
}

/// Stores y = x W^T + b by an integer product: the bits of the host overload, which says the rest.
///
/// Waits for the executor. Throws shape_error, cuda_error, value_error where x is not finite.
template <device_executor Executor, class Layout>
void linear(Executor const& ex, matrix_view<float const, typename Executor::space> x,
            quantized_tensor<Layout, typename Executor::space, two_sided_hadamard> const& w,
            matrix_view<float const, typename Executor::space> bias, matrix_view<float, typename Executor::space> y,
            int8_activations) {
  detail::linear_in_basis(ex, x, w.transform(), bias, y, [&](device_view<float const> inputs, device_view<float> outputs) {
    detail::round_and_multiply<Layout>(ex, inputs, w.codes(), w.groups(), device_view<float const>{}, outputs);
  });
}

}  // namespace halfstep
