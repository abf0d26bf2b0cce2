// Sums over the columns of a layer's inputs, streamed.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include <halfstep/calibration/input_rows.hpp>
#include <halfstep/core/buffer.hpp>
#include <halfstep/core/error.hpp>
#include <halfstep/core/matrix_view.hpp>
#include <halfstep/exec/concept.hpp>

namespace halfstep {

/// The share of a column's squares that rows must have at least for sums over them to be taken from sums over all.
inline constexpr double least_rest = 1e-3;

/// Figures of each column of a layer's inputs.
struct channel_figures {
  std::vector<double> sum;
  std::vector<double> square_sum;
  std::vector<float> max;  ///< of magnitudes
};

/// Returns the figures of all of `rows`, which are read once, in pieces of about a million elements.
///
/// FP64 sums, each column's in the order of the rows: the same bits on every executor. Throws value_error naming the tensor where
/// a value is NaN or infinite, and io_error.
template <host_executor Executor>
channel_figures measure_channels(Executor const& ex, input_rows const& rows) {
  extents2 const e = rows.extents();
  auto const columns = static_cast<std::size_t>(e.columns);
  channel_figures all{std::vector<double>(columns), std::vector<double>(columns), std::vector<float>(columns)};
  index_t const piece_rows =
      std::clamp<index_t>((index_t{1} << 20) / std::max<index_t>(e.columns, 1), 1, std::max<index_t>(e.rows, 1));
  host_buffer<float> memory(piece_rows * e.columns);
  constexpr index_t tile = 64;
  for (index_t first = 0; first < e.rows; first += piece_rows) {
    host_view<float> const piece(memory.data(), {std::min(piece_rows, e.rows - first), e.columns});
    rows.read(ex, first, piece);
    ex.for_each((e.columns + tile - 1) / tile, [&](index_t t) {
      for (index_t row = 0; row < piece.rows(); ++row) {
        float const* const x = piece.row(row);
        for (index_t j = t * tile; j < std::min(e.columns, (t + 1) * tile); ++j) {
          auto const column = static_cast<std::size_t>(j);
          double const wide = x[j];
          all.sum[column] += wide;
          all.square_sum[column] += wide * wide;
          all.max[column] = std::max(all.max[column], std::fabs(x[j]));
        }
      }
    });
  }
  for (std::size_t j = 0; j < columns; ++j)
    if (!std::isfinite(all.square_sum[j]))
      throw value_error(stated("calibration.not_finite", "calibration data: `{tensor}` holds NaN or infinity in column {column}",
                               {{"tensor", rows.name()}, {"column", j}}));
  return all;
}

/// Returns the figures of rows without `some` of them; maxima stay those of all. Nothing where a column has nearly all of its
/// squares in `some`: what is left would be rounding.
inline std::optional<channel_figures> without(channel_figures all, channel_figures const& some) {
  for (std::size_t j = 0; j < all.sum.size(); ++j) {
    double const rest = all.square_sum[j] - some.square_sum[j];
    if (all.square_sum[j] > 0.0 && rest < least_rest * all.square_sum[j]) return std::nullopt;
    all.sum[j] -= some.sum[j];
    all.square_sum[j] = rest;
  }
  return all;
}

}  // namespace halfstep
