// What a layer's outputs lose on known inputs, with and without 8-bit activations.
#pragma once

#include <algorithm>
#include <cmath>
#include <optional>
#include <span>
#include <vector>

#include <halfstep/calibration/input_rows.hpp>
#include <halfstep/core/buffer.hpp>
#include <halfstep/core/matrix_view.hpp>
#include <halfstep/exec/concept.hpp>
#include <halfstep/kernel/sum.hpp>
#include <halfstep/layout/int8_axis.hpp>
#include <halfstep/linalg/linear.hpp>
#include <halfstep/tensor/dequantize.hpp>
#include <halfstep/tensor/quantizer.hpp>

namespace halfstep {

/// The error of a layer's outputs, relative to the outputs: |X E^T| / |X W^T|.
struct output_errors {
  double weights = 0.0;      ///< with exact activations
  double activations = 0.0;  ///< with activations in 8 bit, each row by its own largest magnitude, as ComfyUI runs them
};

/// Returns the errors over all rows of `inputs`; nothing where the exact outputs are all zero.
///
/// weight and decoded [M, N] in the basis of the rows; `shift` [M] is what was added to the bias, or empty. FP32 products, FP64
/// sums in a fixed order. Rows are read and multiplied 1024 at a time. Throws shape_error and io_error.
template <host_executor Executor>
std::optional<output_errors> output_error(Executor const& ex, host_view<float const> weight, host_view<float const> decoded,
                                          std::span<float const> shift, input_rows const& inputs) {
  constexpr index_t piece_rows = 1024;
  extents2 const all = inputs.extents();
  index_t const rows = std::min(piece_rows, all.rows);
  host_buffer<float> x(rows * all.columns), rounded(rows * all.columns);
  host_buffer<float> exact(rows * weight.rows()), found(rows * weight.rows());
  host_view<float const> const bias(shift.data(), {shift.empty() ? 0 : 1, static_cast<index_t>(shift.size())});
  double signal = 0.0;
  double lost = 0.0;
  double lost_8bit = 0.0;
  for (index_t first = 0; first < all.rows; first += piece_rows) {
    index_t const count = std::min(piece_rows, all.rows - first);
    extents2 const in{count, all.columns}, out{count, weight.rows()};
    host_view<float> const here(x.data(), in), here_rounded(rounded.data(), in), y(exact.data(), out), z(found.data(), out);
    inputs.read(ex, first, here);
    linear(ex, here, weight, host_view<float const>{}, y);
    signal += sum_of_squares(ex, y);
    auto const off = [&](host_view<float const> from) {
      linear(ex, from, decoded, bias, z);
      ex.for_each(count, [&](index_t row) {
        for (index_t k = 0; k < out.columns; ++k) z(row, k) -= y(row, k);
      });
      return sum_of_squares(ex, z);
    };
    lost += off(here);
    quantizer<int8_axis> const to_8bit;
    dequantize(ex, to_8bit(ex, here), here_rounded);
    lost_8bit += off(here_rounded);
  }
  if (!(signal > 0.0)) return std::nullopt;
  return output_errors{std::sqrt(lost / signal), std::sqrt(lost_8bit / signal)};
}

}  // namespace halfstep
