// The diagonal of a stored Hessian, in the basis of a layer.
#pragma once

#include <cmath>
#include <cstdint>
#include <span>
#include <vector>

#include <halfstep/calibration/entries.hpp>
#include <halfstep/core/buffer.hpp>
#include <halfstep/core/error.hpp>
#include <halfstep/core/matrix_view.hpp>
#include <halfstep/exec/serial.hpp>
#include <halfstep/transform/basis.hpp>

namespace halfstep {

/// Returns the diagonal of H [N, N], F32 and symmetric, in the basis `in` of rows.
///
/// Reads the blocks of column groups on its diagonal and nothing else. Throws value_error naming the tensor where such a block
/// holds NaN or infinity, or where the diagonal is negative by more than rounding; io_error.
inline std::vector<float> hessian_diagonal(calibration_item const& hessian, basis const& in) {
  auto const columns = static_cast<index_t>(hessian.tensor->shape[0]);
  index_t const side = in.column_group(columns);
  host_buffer<float> memory(2 * side * side);
  host_view<float> const block(memory.data(), {side, side});
  host_view<float> const other(memory.data() + side * side, {side, side});
  std::vector<float> diagonal(static_cast<std::size_t>(columns));
  for (index_t first = 0; first < columns; first += side) {
    for (index_t i = 0; i < side; ++i) {
      std::span const row(block.row(i), static_cast<std::size_t>(side));
      auto const offset = static_cast<std::uint64_t>((first + i) * columns + first) * sizeof(float);
      hessian.file->read(*hessian.tensor, offset, std::as_writable_bytes(row));
      for (float const x : row)
        if (!std::isfinite(x))
          throw value_error(stated("calibration.not_finite", "{item} holds NaN or infinity in row {row}",
                                   {{"item", hessian.described()}, {"row", first + i}}));
    }
    in.apply_to_moments(serial{}, first, block, other);
    float largest = 0.0f;
    for (index_t i = 0; i < block.extents().count(); ++i) largest = std::fmax(largest, std::fabs(block.data()[i]));
    for (index_t i = 0; i < side; ++i) {
      float const x = block(i, i);
      if (x < -1e-4f * largest)
        throw value_error(stated("calibration.negative_diagonal", "{item} is no sum of squares: its diagonal is negative",
                                 {{"item", hessian.described()}}));
      diagonal[static_cast<std::size_t>(first + i)] = std::fmax(x, 0.0f);
    }
  }
  return diagonal;
}

}  // namespace halfstep
