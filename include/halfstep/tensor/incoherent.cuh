// Products with tensors whose rows and columns are both rotated, on the device.
#pragma once

#include <span>

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

/// Stores y = x W^T + b through `product` on the device, with memory there for the signs and the padded matrices; waits.
template <class Executor, class Product>
void linear_in_basis(Executor const& ex, device_view<float const> x, two_sided_hadamard const& basis,
                     device_view<float const> bias, device_view<float> y, Product const& product) {
  extents2 const in{x.rows(), basis.padded().columns}, out{x.rows(), basis.padded().rows};
  auto const row_signs = ex.template allocate<float>(out.columns);
  auto const column_signs = ex.template allocate<float>(in.columns);
  auto const inputs = ex.template allocate<float>(in.count());
  auto const outputs = ex.template allocate<float>(out.count());
  ex.write(basis.row_signs().data(), row_signs.data(), out.columns);
  ex.write(basis.column_signs().data(), column_signs.data(), in.columns);
  linear_in_basis(ex, x, basis, row_signs.data(), column_signs.data(), bias, y, device_view<float>(inputs.data(), in),
                  device_view<float>(outputs.data(), out), product);
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
