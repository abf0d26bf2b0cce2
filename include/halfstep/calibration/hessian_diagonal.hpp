// The diagonal of a stored Hessian, in the basis of a rotated layer.
#pragma once

#include <cmath>
#include <span>
#include <vector>

#include <halfstep/calibration/entries.hpp>
#include <halfstep/core/buffer.hpp>
#include <halfstep/core/error.hpp>
#include <halfstep/core/matrix_view.hpp>
#include <halfstep/exec/serial.hpp>
#include <halfstep/kernel/hadamard.hpp>

namespace halfstep {

/// Returns the diagonal of R^T S^-1 H S^-1 R, where S = diag(`smoothing`) (empty: the identity) and R rotates groups of
/// `rotation_group` columns (0: the identity).
///
/// H [N, N] is F32 and symmetric. Reads the blocks on its diagonal and nothing else. Throws value_error naming the tensor where
/// such a block holds NaN or infinity, or where the diagonal is negative by more than rounding; io_error.
inline std::vector<float> hessian_diagonal(calibration_item const& hessian, int rotation_group,
                                           std::span<float const> smoothing = {}) {
  auto const columns = static_cast<index_t>(hessian.tensor->shape[0]);
  index_t const side = rotation_group == 0 ? 1 : rotation_group;
  if (columns % side != 0) throw shape_error("halfstep: rotation groups that do not divide a Hessian");
  host_buffer<float> const memory(2 * side * side);
  host_view<float> const block(memory.data(), {side, side});
  host_view<float> const turned(memory.data() + side * side, {side, side});
  std::vector<float> diagonal(static_cast<std::size_t>(columns));
  for (index_t first = 0; first < columns; first += side) {
    float largest = 0.0f;
    for (index_t i = 0; i < side; ++i) {
      std::span const row(block.row(i), static_cast<std::size_t>(side));
      auto const offset = static_cast<std::uint64_t>((first + i) * columns + first) * sizeof(float);
      hessian.file->read(*hessian.tensor, offset, std::as_writable_bytes(row));
      for (index_t j = 0; j < side; ++j) {
        float& x = block(i, j);
        if (!std::isfinite(x))
          throw value_error(hessian.described() + " holds NaN or infinity in row " + std::to_string(first + i));
        if (!smoothing.empty())
          x = x / smoothing[static_cast<std::size_t>(first + i)] / smoothing[static_cast<std::size_t>(first + j)];
        largest = std::fmax(largest, std::fabs(x));
      }
    }
    if (rotation_group != 0) {
      hadamard_regular(serial{}, host_view<float const>(block), block, rotation_group);
      for (index_t i = 0; i < side; ++i)
        for (index_t j = 0; j < side; ++j) turned(j, i) = block(i, j);
      hadamard_regular(serial{}, host_view<float const>(turned), block, rotation_group);
    }
    for (index_t i = 0; i < side; ++i) {
      float const x = block(i, i);
      if (x < -1e-4f * largest) throw value_error(hessian.described() + " is no sum of squares: its diagonal is negative");
      diagonal[static_cast<std::size_t>(first + i)] = std::fmax(x, 0.0f);
    }
  }
  return diagonal;
}

}  // namespace halfstep
