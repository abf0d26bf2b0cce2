// How far the second moments of few rows are drawn to their diagonal.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <span>
#include <vector>

#include <halfstep/calibration/input_rows.hpp>
#include <halfstep/core/buffer.hpp>
#include <halfstep/core/matrix_view.hpp>
#include <halfstep/exec/concept.hpp>

namespace halfstep {

/// Returns whether `rows` rows are so few for `columns` columns that their second moments lose against none unless they are drawn
/// to their diagonal.
constexpr bool are_few(index_t rows, index_t columns) { return rows < 2 * columns; }

/// Rows that are fewer than these, and few, say nothing of how columns go together, nor of their mean: where a rare token carries
/// most of a column's energy they have it never or too often, and codes that follow from them lose on other inputs. Measured on
/// MiniLM and Whisper: docs/calibration.md.
inline constexpr index_t least_rows = 32;

/// Returns whether `rows` rows of `columns` columns say nothing.
constexpr bool say_nothing(index_t rows, index_t columns) { return rows < least_rows && are_few(rows, columns); }

namespace detail {

/// Returns sum_{i != j} C_ij^2 of C, which is S scaled to a diagonal of ones; S [N, N] counts by its lower triangle. In FP64 and
/// in a fixed order.
template <host_executor Executor>
double correlation_energy(Executor const& ex, host_view<float const> s) {
  std::vector<double> rows(static_cast<std::size_t>(s.rows()));
  ex.for_each(s.rows(), [&](index_t i) {
    double sum = 0.0;
    for (index_t j = 0; j < i; ++j) {
      double const scale = static_cast<double>(s(i, i)) * static_cast<double>(s(j, j));
      if (scale > 0.0) sum += static_cast<double>(s(i, j)) * static_cast<double>(s(i, j)) / scale;
    }
    rows[static_cast<std::size_t>(i)] = 2.0 * sum;
  });
  double sum = 0.0;
  for (double const part : rows) sum += part;
  return sum;
}

/// Returns what the share would be were the inputs Gaussian: sum_{i != j} (1 + C_ij^2) / (n sum_{i != j} C_ij^2).
inline double gaussian_shrinkage(double energy, double free_rows, index_t columns) {
  auto const n = static_cast<double>(columns);
  if (free_rows < 1.0) return 1.0;
  return energy > 0.0 ? (n * n - n + energy) / (free_rows * energy) : 0.0;
}

/// Returns the share of S = E[(x - c)(x - c)^T] over `rows` that its diagonal takes: the one that brings it nearest to the second
/// moments of all inputs, sum_{i != j} Var(C_ij) / sum_{i != j} C_ij^2, at least what it is for Gaussian inputs, at most 1.
///
/// C is S scaled to a diagonal of ones; c is `center` [N], or zero where that is empty. Reads the rows once more. The same bits
/// on every executor. Throws io_error. Source: J. Schaefer and K. Strimmer, "A shrinkage approach to large-scale covariance
/// matrix estimation", 2005, after O. Ledoit and M. Wolf, "A well-conditioned estimator for large-dimensional covariance
/// matrices", 2004.
template <host_executor Executor>
double shrinkage_of(Executor const& ex, input_rows const& rows, std::span<float const> center, host_view<float const> s) {
  extents2 const e = rows.extents();
  auto const n = static_cast<double>(e.rows);
  double const free_rows = center.empty() ? n : n - 1.0;
  double const energy = correlation_energy(ex, s);
  double share = gaussian_shrinkage(energy, free_rows, e.columns);
  if (share >= 1.0 || energy <= 0.0) return std::min(share, 1.0);
  std::vector<double> scale(static_cast<std::size_t>(e.columns));
  for (index_t j = 0; j < e.columns; ++j)
    scale[static_cast<std::size_t>(j)] = s(j, j) > 0.0f ? 1.0 / static_cast<double>(s(j, j)) : 0.0;
  index_t const piece_rows = std::clamp<index_t>((index_t{1} << 20) / std::max<index_t>(e.columns, 1), 1, e.rows);
  host_buffer<float> memory(piece_rows * e.columns);
  double products = 0.0;  // sum over rows of sum_{i != j} (z_i z_j)^2, z scaled to a mean square of one
  for (index_t first = 0; first < e.rows; first += piece_rows) {
    host_view<float> const piece(memory.data(), {std::min(piece_rows, e.rows - first), e.columns});
    rows.read(ex, first, piece);
    std::vector<double> found(static_cast<std::size_t>(piece.rows()));
    ex.for_each(piece.rows(), [&](index_t i) {
      double square = 0.0;
      double fourth = 0.0;
      for (index_t j = 0; j < e.columns; ++j) {
        auto const column = static_cast<std::size_t>(j);
        double const x = static_cast<double>(piece(i, j)) - (center.empty() ? 0.0 : static_cast<double>(center[column]));
        double const z = x * x * scale[column];
        square += z;
        fourth += z * z;
      }
      found[static_cast<std::size_t>(i)] = square * square - fourth;
    });
    for (double const x : found) products += x;
  }
  double const variance = (products / n - energy) / std::max(free_rows, 1.0);
  return std::clamp(variance / energy, share, 1.0);
}

/// Returns the factor of a mean over `rows` rows that brings it nearest to the mean of all inputs: 1 - (n + 5) / (n - 1) sum_j
/// v_j / (n |mean|^2) with the variances v of its elements, between 0 and 1. mean and squares E[x_j^2] are of the same columns.
///
/// Source: W. James and C. Stein, "Estimation with quadratic loss", 1961; (n + 5) / (n - 1) allows for variances that are
/// themselves of few rows.
inline double mean_factor(std::span<float const> mean, std::span<float const> squares, index_t rows) {
  if (rows < 2) return 0.0;
  double energy = 0.0;
  double all = 0.0;
  for (std::size_t j = 0; j < mean.size(); ++j) {
    energy += static_cast<double>(mean[j]) * static_cast<double>(mean[j]);
    all += static_cast<double>(squares[j]);
  }
  auto const n = static_cast<double>(rows);
  double const variance = std::max(all - energy, 0.0) * n / (n - 1.0);
  return energy > 0.0 ? std::clamp(1.0 - (n + 5.0) / (n - 1.0) * variance / (n * energy), 0.0, 1.0) : 0.0;
}

/// Takes `share` of everything off the diagonal of `s` [N, N], of which the lower triangle counts.
template <host_executor Executor>
void draw_to_diagonal(Executor const& ex, double share, host_view<float> s) {
  auto const rest = static_cast<float>(1.0 - share);
  ex.for_each(s.rows(), [&](index_t i) {
    for (index_t j = 0; j < i; ++j) s(i, j) *= rest;
  });
}

}  // namespace detail

}  // namespace halfstep
