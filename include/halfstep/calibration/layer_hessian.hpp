// The second moments of a layer's inputs, summed from rows or read from a stored Hessian.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <span>
#include <string>

#include <halfstep/calibration/entries.hpp>
#include <halfstep/calibration/input_rows.hpp>
#include <halfstep/core/buffer.hpp>
#include <halfstep/core/error.hpp>
#include <halfstep/core/matrix_view.hpp>
#include <halfstep/exec/concept.hpp>
#include <halfstep/kernel/hadamard.hpp>
#include <halfstep/linalg/gram.hpp>

namespace halfstep {

/// H = E[(x - c)(x - c)^T] of a layer's inputs x, about a centre c, in the basis of the stored weight.
struct layer_hessian {
  host_buffer<float> lower;  ///< [N, N], of which the lower triangle counts
  index_t samples = 0;
};

namespace detail {

/// Adds the sum of (x - c)(x - c)^T over `rows` to the lower triangle of `sum` [N, N]; c is `center` [N], or zero where that is
/// empty. Rows are read in pieces of some million numbers.
template <host_executor Executor>
void add_moments(Executor const& ex, input_rows const& rows, std::span<float const> center, host_view<float> sum) {
  extents2 const e = rows.extents();
  index_t const most = std::clamp<index_t>((index_t{1} << 22) / std::max<index_t>(e.columns, 1), 512, 8192);
  index_t const piece_rows = std::min(most, e.rows);
  host_buffer<float> const memory(piece_rows * e.columns);
  for (index_t first = 0; first < e.rows; first += piece_rows) {
    host_view<float> const piece(memory.data(), {std::min(piece_rows, e.rows - first), e.columns});
    rows.read(ex, first, piece);
    if (!center.empty())
      ex.for_each(piece.rows(), [&](index_t i) {
        for (index_t j = 0; j < e.columns; ++j) piece(i, j) -= center[static_cast<std::size_t>(j)];
      });
    add_gram(ex, host_view<float const>(piece), sum);
  }
}

}  // namespace detail

/// Returns the moments of `rows` about `center` [N], or about zero where that is empty.
///
/// Rows are read in pieces of some million numbers and summed in FP32, n N^2 flops: on one machine the same bits for every number
/// of threads. Throws value_error naming the tensor where a sum is NaN or infinite, and io_error.
template <host_executor Executor>
layer_hessian moments_of(Executor const& ex, input_rows const& rows, std::span<float const> center) {
  extents2 const e = rows.extents();
  extents2 const square{e.columns, e.columns};
  layer_hessian found{host_buffer<float>(square.count()), e.rows};
  auto const h = found.lower.view(square);
  ex.for_each(e.columns, [&](index_t i) { std::fill_n(h.row(i), e.columns, 0.0f); });
  detail::add_moments(ex, rows, center, h);
  auto const share = 1.0f / static_cast<float>(e.rows);
  ex.for_each(e.columns, [&](index_t i) {
    for (index_t j = 0; j <= i; ++j) {
      h(i, j) *= share;
      if (!std::isfinite(h(i, j)))
        throw value_error("calibration data: `" + rows.name() + "` holds NaN, infinity or too large values");
    }
  });
  return found;
}

/// Returns R^T S^-1 X S^-1 R / `count` - c c^T for a stored X = sum of x x^T, where S = diag(`smoothing`) (empty: the identity),
/// R rotates groups of `rotation_group` columns (0: the identity) and c is `center` [N] in that basis, or zero where that is
/// empty.
///
/// Throws value_error naming the tensor where it holds NaN or infinity, and io_error.
template <host_executor Executor>
layer_hessian moments_of(Executor const& ex, calibration_item const& stored, index_t count, int rotation_group,
                         std::span<float const> center, std::span<float const> smoothing = {}) {
  auto const n = static_cast<index_t>(stored.tensor->shape[0]);
  extents2 const square{n, n};
  layer_hessian found{host_buffer<float>(square.count()), count};
  auto const h = found.lower.view(square);
  stored.file->read(*stored.tensor, 0, std::as_writable_bytes(std::span(h.data(), static_cast<std::size_t>(square.count()))));
  ex.for_each(n, [&](index_t i) {
    for (index_t j = 0; j < n; ++j)
      if (!std::isfinite(h(i, j))) throw value_error(stored.described() + " holds NaN or infinity in row " + std::to_string(i));
  });
  mirror_lower(ex, h);
  if (!smoothing.empty())
    ex.for_each(n, [&](index_t i) {
      for (index_t j = 0; j < n; ++j)
        h(i, j) = h(i, j) / smoothing[static_cast<std::size_t>(i)] / smoothing[static_cast<std::size_t>(j)];
    });
  if (rotation_group != 0) {
    // Symmetric, so that turning rows and then columns needs one transpose in between and none behind it.
    host_buffer<float> const memory(square.count());
    auto const turned = memory.view(square);
    hadamard_regular(ex, host_view<float const>(h), turned, rotation_group);
    ex.for_each(n, [&](index_t i) {
      for (index_t j = 0; j < n; ++j) h(i, j) = turned(j, i);
    });
    hadamard_regular(ex, host_view<float const>(h), h, rotation_group);
  }
  auto const share = 1.0f / static_cast<float>(count);
  ex.for_each(n, [&](index_t i) {
    for (index_t j = 0; j <= i; ++j) {
      h(i, j) *= share;
      if (!center.empty()) h(i, j) -= center[static_cast<std::size_t>(i)] * center[static_cast<std::size_t>(j)];
    }
  });
  return found;
}

}  // namespace halfstep
