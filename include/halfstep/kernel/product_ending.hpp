// What becomes of a product's sums before they are stored: bias, activation, residual, and the type of the output.
#pragma once

#include <concepts>
#include <cstdint>
#include <string>

#include <halfstep/core/arithmetic.hpp>
#include <halfstep/core/compiler.hpp>
#include <halfstep/core/error.hpp>
#include <halfstep/core/ieee_float.hpp>
#include <halfstep/core/matrix_view.hpp>
#include <halfstep/core/source.hpp>
#include <halfstep/kernel/int8_operands.hpp>
#include <halfstep/layout/symmetric_grid.hpp>

namespace halfstep {

/// No activation: a result stays what it is.
struct no_activation {
  HALFSTEP_HD float operator()(float x) const { return x; }
};

/// What is done to a result of y = x W^T before it is stored: y = form(x W^T + bias) + residual, each step rounded to FP32, and
/// then to the type of y, ties to even.
///
/// `Form` is `no_activation`, `gelu_erf`, `gelu_tanh` or a type like them. INT8 results are codes on the grid of given `scales`,
/// beyond whose ends they stay on the last code; outputs of other types have none.
template <class Space, class Form = no_activation, source Residual = float>
struct product_ending {
  matrix_view<float const, Space> bias{};  ///< [1, M], or empty for none
  Form form{};
  matrix_view<Residual const, Space> residual{};  ///< [B, M], or empty for none; may be y itself
  matrix_view<float const, Space> scales{};       ///< of INT8 outputs: [B, 1], or [1, 1] for all rows; positive
};

/// What a product's results can be stored as.
template <class T>
concept product_output = source<T> || std::same_as<T, std::int8_t>;

namespace detail {

/// A `product_ending` and where the results go, as kernels take them.
template <class Form, class Residual, class Output>
struct result_writer {
  float const* bias;         ///< one value a column, or null
  Residual const* residual;  ///< as y, or null
  float const* scales;       ///< of INT8 outputs
  index_t scale_step;        ///< 1 where every row of y has a scale, 0 where they share one
  Output* y;
  index_t columns;  ///< of y
  Form form;

  /// Returns what a sum over all groups becomes at (`row`, `column`) of y.
  HALFSTEP_HD Output value(float sum, float x_scale, index_t row, index_t column) const {
    float result = finished(sum, x_scale, bias, column);
    if constexpr (!std::same_as<Form, no_activation>) result = form(settled(result));
    if (residual != nullptr) {
      ieee_float const addend = widen(residual[row * columns + column]);
      result = static_cast<float>(settled(result) + addend);
    }
    if constexpr (std::same_as<Output, std::int8_t>)
      return symmetric_grid<127>::locate_far(result, {scales[row * scale_step], 0.0f}).nearer;
    else
      return narrow<Output>(result);
  }

  /// Stores it.
  HALFSTEP_HD void operator()(float sum, float x_scale, index_t row, index_t column) const {
    y[row * columns + column] = value(sum, x_scale, row, column);
  }

  /// Whether two elements at an even place of y lie at a multiple of their size.
  HALFSTEP_HD bool has_even_address() const { return reinterpret_cast<std::uintptr_t>(y) % (2 * sizeof(Output)) == 0; }
};

/// Returns the writer of `ending` to y [B, M]. Throws shape_error where they do not fit together.
template <class Space, class Form, class Residual, class Output>
result_writer<Form, Residual, Output> writer_of(product_ending<Space, Form, Residual> const& ending, extents2 expected,
                                                matrix_view<Output, Space> y) {
  require_extents(y.extents(), expected, "halfstep: the output of linear_int8");
  auto const given = [](auto m) { return m.extents().count() != 0; };
  if (given(ending.bias)) require_extents(ending.bias.extents(), {1, y.columns()}, "halfstep: the bias of linear_int8");
  if (given(ending.residual)) require_extents(ending.residual.extents(), y.extents(), "halfstep: the residual of linear_int8");
  extents2 const scales = ending.scales.extents();
  bool const has_scales = scales.columns == 1 && (scales.rows == 1 || scales.rows == y.rows());
  std::string const wanted = std::same_as<Output, std::int8_t> ? "1 x 1 or " + std::to_string(y.rows()) + " x 1 for INT8"
                                                               : std::string("none for a type with an exponent");
  if (std::same_as<Output, std::int8_t> ? !has_scales && y.extents().count() != 0 : given(ending.scales))
    throw shape_error(stated("shape.scales_of_output",
                             "halfstep: the scales of the output of linear_int8: expected {wanted}, got {rows} x {columns}",
                             {{"wanted", wanted}, {"rows", scales.rows}, {"columns", scales.columns}}));
  return {given(ending.bias) ? ending.bias.data() : nullptr,
          given(ending.residual) ? ending.residual.data() : nullptr,
          ending.scales.data(),
          scales.rows > 1 ? index_t{1} : index_t{0},
          y.data(),
          y.columns(),
          ending.form};
}

}  // namespace detail

}  // namespace halfstep
