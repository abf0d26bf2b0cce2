// Products with tensors in a basis that mixes rows, on the device: QuIP's rotations of rows and columns.
#pragma once

#include <cstddef>

#include <halfstep/core/compiler.hpp>
#include <halfstep/core/extents.hpp>
#include <halfstep/core/ieee_float.hpp>
#include <halfstep/core/matrix_view.hpp>
#include <halfstep/exec/concept.hpp>
#include <halfstep/exec/device_workspace.hpp>
#include <halfstep/kernel/dequantize.cuh>
#include <halfstep/kernel/for_each_index.cuh>
#include <halfstep/kernel/hadamard.cuh>
#include <halfstep/linalg/linear.cuh>
#include <halfstep/tensor/linear_int8.cuh>
#include <halfstep/tensor/quantized_tensor.hpp>
#include <halfstep/tensor/require_layer.hpp>
#include <halfstep/tensor/two_sided_signs.cuh>
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
    bool const is_given = row < given.rows && column < given.columns;
    to[i] = is_given ? static_cast<float>(ieee_float{from[row * given.columns + column]} * signs[column]) : 0.0f;
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
    ieee_float const x = ieee_float{from[row * columns + column]} * signs[column];  // exact: contraction would change nothing
    to[i] = static_cast<float>(addend != nullptr ? x + addend[column] : x);
  }
};

/// Matrices in the padded basis, in a workspace.
struct padded_layer {
  padded_layer(device_workspace& memory, index_t batch, extents2 padded)
      : inputs(memory.take<float>(batch * padded.columns), {batch, padded.columns}),
        outputs(memory.take<float>(batch * padded.rows), {batch, padded.rows}) {}

  device_view<float> inputs;
  device_view<float> outputs;
};

/// Stores y = x W^T + b through `product`, which multiplies in the basis of the codes. Runs in stream order.
template <class Executor, class Product>
void linear_in_basis_async(Executor const& ex, device_view<float const> x, two_sided_signs const& signs,
                           device_view<float const> bias, device_view<float> y, device_workspace& memory,
                           Product const& product) {
  require_layer(signs.original(), x, bias, y);
  padded_layer const padded(memory, x.rows(), signs.padded());
  device_view<float> const inputs = padded.inputs, outputs = padded.outputs;
  for_each_index_async(ex, inputs.extents().count(),
                       pad_with_signs{x.data(), x.extents(), signs.columns(), inputs.data(), inputs.columns()});
  hadamard_async(ex, inputs, static_cast<int>(inputs.columns()));
  product(device_view<float const>(inputs), outputs);
  hadamard_async(ex, outputs, static_cast<int>(outputs.columns()));
  float const* const addend = bias.extents().count() != 0 ? bias.data() : nullptr;
  for_each_index_async(ex, y.extents().count(),
                       crop_with_signs{outputs.data(), outputs.columns(), signs.rows(), addend, y.data(), y.columns()});
}

/// `linear_in_basis_async` with the weight dequantized.
template <class Executor, class Layout>
void linear_dequantized_async(Executor const& ex, device_view<float const> x,
                              quantized_tensor<Layout, device_space, two_sided_hadamard> const& w, two_sided_signs const& signs,
                              device_view<float const> bias, device_view<float> y, device_workspace& memory) {
  device_view<float> const weight(memory.take<float>(w.extents().count()), w.extents());
  linear_in_basis_async(ex, x, signs, bias, y, memory, [&](device_view<float const> inputs, device_view<float> outputs) {
    dequantize_async<Layout>(ex, w.codes(), w.groups(), weight);
    linear_async(ex, inputs, device_view<float const>(weight), device_view<float const>{}, outputs);
  });
}

/// `linear_in_basis_async` with rounded inputs; calls `then(ranges, inputs)` with the ranges of their rows.
template <class Executor, class Layout, class Then>
void linear_rounded_async(Executor const& ex, device_view<float const> x,
                          quantized_tensor<Layout, device_space, two_sided_hadamard> const& w, two_sided_signs const& signs,
                          device_view<float const> bias, device_view<float> y, device_workspace& memory, Then const& then) {
  linear_in_basis_async(ex, x, signs, bias, y, memory, [&](device_view<float const> inputs, device_view<float> outputs) {
    then(round_and_multiply_async<Layout>(ex, inputs, w.codes(), w.groups(), device_view<float const>{}, outputs, memory),
         inputs);
  });
}

}  // namespace detail

/// Returns how many bytes of workspace `linear_async` for inputs of `rows` rows needs.
template <class Layout>
std::size_t workspace_bytes(index_t rows, quantized_tensor<Layout, device_space, two_sided_hadamard> const& w) {
  auto memory = device_workspace::counting();
  static_cast<void>(memory.take<float>(w.extents().count()));
  detail::padded_layer const padded(memory, rows, w.extents());
  return memory.used();
}

/// Returns how many bytes of workspace `linear_async` with rounded inputs of `rows` rows needs.
template <class Layout>
std::size_t workspace_bytes(index_t rows, quantized_tensor<Layout, device_space, two_sided_hadamard> const& w, int8_activations) {
  auto memory = device_workspace::counting();
  detail::padded_layer const padded(memory, rows, w.extents());
  detail::rounded_input const rounded(memory, {rows, w.extents().columns});
  return memory.used();
}

/// Stores y = x W^T + b as the host overload does, within rounding; `signs` are those of the basis of `w`.
///
/// Runs in stream order, allocates nothing and waits for nothing, so that a graph can capture it. Throws shape_error, cuda_error,
/// value_error where the workspace has fewer than `workspace_bytes`.
template <device_executor Executor, class Layout>
void linear_async(Executor const& ex, device_view<float const> x,
                  quantized_tensor<Layout, device_space, two_sided_hadamard> const& w, two_sided_signs const& signs,
                  device_view<float const> bias, device_view<float> y, device_workspace memory) {
  detail::linear_dequantized_async(ex, x, w, signs, bias, y, memory);
}

/// Stores y = x W^T + b by an integer product: the bits of the host overload, which says the rest; a row of x that is not finite
/// gives a row of NaN. `signs` are those of the basis of `w`.
///
/// Runs in stream order, allocates nothing and waits for nothing, so that a graph can capture it. Throws shape_error, cuda_error,
/// value_error where the workspace has fewer than `workspace_bytes`.
template <device_executor Executor, class Layout>
void linear_async(Executor const& ex, device_view<float const> x,
                  quantized_tensor<Layout, device_space, two_sided_hadamard> const& w, two_sided_signs const& signs,
                  device_view<float const> bias, device_view<float> y, int8_activations, device_workspace memory) {
  detail::linear_rounded_async(ex, x, w, signs, bias, y, memory, [](auto, auto) {});
}

/// Stores y = x W^T + b as the host overload does, within rounding. Uploads the signs of the basis, allocates its workspace
/// through the executor, and waits for it. Throws shape_error, cuda_error.
template <device_executor Executor, class Layout>
void linear(Executor const& ex, matrix_view<float const, typename Executor::space> x,
            quantized_tensor<Layout, typename Executor::space, two_sided_hadamard> const& w,
            matrix_view<float const, typename Executor::space> bias, matrix_view<float, typename Executor::space> y) {
  two_sided_signs const signs(ex, w.transform());
  std::size_t const bytes = workspace_bytes(x.rows(), w);
  auto scratch = ex.template allocate<std::byte>(static_cast<index_t>(bytes));
  device_workspace memory(scratch.data(), bytes);
  detail::linear_dequantized_async(ex, x, w, signs, bias, y, memory);
  ex.wait();
}

/// Stores y = x W^T + b by an integer product: the bits of the host overload, which says the rest.
///
/// Uploads the signs of the basis, allocates its workspace through the executor, and waits for it. Throws shape_error,
/// cuda_error, value_error where x is not finite.
template <device_executor Executor, class Layout>
void linear(Executor const& ex, matrix_view<float const, typename Executor::space> x,
            quantized_tensor<Layout, typename Executor::space, two_sided_hadamard> const& w,
            matrix_view<float const, typename Executor::space> bias, matrix_view<float, typename Executor::space> y,
            int8_activations how) {
  two_sided_signs const signs(ex, w.transform());
  std::size_t const bytes = workspace_bytes(x.rows(), w, how);
  auto scratch = ex.template allocate<std::byte>(static_cast<index_t>(bytes));
  device_workspace memory(scratch.data(), bytes);
  detail::linear_rounded_async(ex, x, w, signs, bias, y, memory,
                               [&](auto ranges, device_view<float const> inputs) { detail::require_finite(ex, ranges, inputs); });
  ex.wait();
}

}  // namespace halfstep
