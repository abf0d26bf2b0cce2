// The Hessian of a layer's inputs, summed from rows or read from a stored one.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <halfstep/calibration/channel_figures.hpp>
#include <halfstep/calibration/entries.hpp>
#include <halfstep/calibration/input_rows.hpp>
#include <halfstep/core/buffer.hpp>
#include <halfstep/core/error.hpp>
#include <halfstep/core/matrix_view.hpp>
#include <halfstep/exec/concept.hpp>
#include <halfstep/linalg/gram.hpp>
#include <halfstep/transform/basis.hpp>

namespace halfstep::detail {

/// Adds the sum of (x - c)(x - c)^T over `rows` to the lower triangle of `sum` [N, N]; c is `center` [N], or zero where that is
/// empty. Rows are read in pieces of some million numbers.
template <host_executor Executor>
void add_moments(Executor const& ex, input_rows const& rows, std::span<float const> center, host_view<float> sum) {
  extents2 const e = rows.extents();
  index_t const most = std::clamp<index_t>((index_t{1} << 22) / std::max<index_t>(e.columns, 1), 512, 8192);
  index_t const piece_rows = std::min(most, e.rows);
  host_buffer<float> memory(piece_rows * e.columns);
  for (index_t first = 0; first < e.rows; first += piece_rows) {
    host_view<float> const piece(memory.data(), {std::min(piece_rows, e.rows - first), e.columns});
    rows.read(ex, first, piece);
    if (!center.empty())
      ex.for_each(piece.rows(), [&](index_t i) {
        for (index_t j = 0; j < e.columns; ++j) piece(i, j) -= center[static_cast<std::size_t>(j)];
      });
    add_gram(ex, piece, sum);
  }
}

/// Returns E[(x - c)(x - c)^T] over `rows`, of which the lower triangle counts; c as above.
///
/// Summed in FP32, n N^2 flops: on one machine the same bits for every number of threads. Throws value_error naming the tensor
/// where a sum is NaN or infinite, and io_error.
template <host_executor Executor>
host_buffer<float> moments_of(Executor const& ex, input_rows const& rows, std::span<float const> center) {
  extents2 const e = rows.extents();
  extents2 const square{e.columns, e.columns};
  host_buffer<float> sum(square.count());
  auto const h = sum.view(square);
  ex.for_each(e.columns, [&](index_t i) { std::fill_n(h.row(i), e.columns, 0.0f); });
  add_moments(ex, rows, center, h);
  auto const share = 1.0f / static_cast<float>(e.rows);
  ex.for_each(e.columns, [&](index_t i) {
    for (index_t j = 0; j <= i; ++j) {
      h(i, j) *= share;
      if (!std::isfinite(h(i, j)))
        throw value_error(stated("calibration.not_finite", "calibration data: `{tensor}` holds NaN, infinity or too large values",
                                 {{"tensor", rows.name()}}));
    }
  });
  return sum;
}

/// Returns E[(x - c)(x - c)^T] over rows without `some` of them, from `all`, that over all `count` of them about `all_center`; c
/// is `center`, the mean of the rows that are left, or zero where both are empty. Of the result the lower triangle counts.
///
/// As many flops as `some` take, and N^2. Nothing where a column has nearly all of its squares in `some`: what is left would be
/// rounding. Throws io_error.
template <host_executor Executor>
std::optional<host_buffer<float>> moments_without(Executor const& ex, host_view<float const> all, index_t count,
                                                  input_rows const& some, std::span<float const> all_center,
                                                  std::span<float const> center) {
  auto rest = moments_of(ex, some, all_center);
  auto const r = rest.view(all.extents());
  auto const left = static_cast<double>(count - some.extents().rows);
  auto const of_all = static_cast<double>(count) / left;
  auto const of_some = static_cast<double>(some.extents().rows) / left;
  auto const moved = [&](index_t i) {
    auto const k = static_cast<std::size_t>(i);
    return center.empty() ? 0.0 : static_cast<double>(center[k]) - static_cast<double>(all_center[k]);
  };
  std::vector<char> is_lost(static_cast<std::size_t>(all.rows()));
  ex.for_each(all.rows(), [&](index_t i) {
    double const mine = moved(i);
    for (index_t j = 0; j <= i; ++j)
      r(i, j) =
          static_cast<float>(of_all * static_cast<double>(all(i, j)) - of_some * static_cast<double>(r(i, j)) - mine * moved(j));
    is_lost[static_cast<std::size_t>(i)] = all(i, i) > 0.0f && r(i, i) < static_cast<float>(least_rest) * all(i, i) ? 1 : 0;
  });
  if (std::find(is_lost.begin(), is_lost.end(), 1) != is_lost.end()) return std::nullopt;
  return rest;
}

/// Returns X / `count` - c c^T for a stored X = sum of x x^T that is changed into the basis `in` of rows; of the result the lower
/// triangle counts. c is `center` [N] in that basis, or zero where that is empty.
///
/// Throws value_error naming the tensor where it holds NaN or infinity, and io_error.
template <host_executor Executor>
host_buffer<float> moments_of(Executor const& ex, calibration_item const& stored, index_t count, basis const& in,
                              std::span<float const> center) {
  auto const n = static_cast<index_t>(stored.tensor->shape[0]);
  extents2 const square{n, n};
  host_buffer<float> sum(square.count());
  auto const x = sum.view(square);
  stored.file->read(*stored.tensor, 0, std::as_writable_bytes(std::span(x.data(), static_cast<std::size_t>(square.count()))));
  ex.for_each(n, [&](index_t i) {
    for (index_t j = 0; j < n; ++j)
      if (!std::isfinite(x(i, j)))
        throw value_error(stated("calibration.not_finite", "{item} holds NaN or infinity in row {row}",
                                 {{"item", stored.described()}, {"row", i}}));
  });
  mirror_lower(ex, x);
  sum = in.moments(ex, std::move(sum), n);
  auto const h = sum.view(square);
  auto const share = 1.0f / static_cast<float>(count);
  ex.for_each(n, [&](index_t i) {
    for (index_t j = 0; j <= i; ++j) {
      h(i, j) *= share;
      if (!center.empty()) h(i, j) -= center[static_cast<std::size_t>(i)] * center[static_cast<std::size_t>(j)];
    }
  });
  return sum;
}

}  // namespace halfstep::detail
