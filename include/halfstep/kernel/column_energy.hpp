// The mean square of every column on the host, in an order that does not depend on the executor.
#pragma once

#include <algorithm>
#include <cstddef>
#include <vector>

#include <halfstep/core/matrix_view.hpp>
#include <halfstep/exec/concept.hpp>

namespace halfstep {

/// Returns the mean of x^2 of every column of `x` [M, N]; zeros where there are no rows.
///
/// FP64 sums over strips of 64 rows, added in order: the same bits on every executor. M N / 8 bytes of scratch.
template <host_executor Executor>
std::vector<float> column_energy(Executor const& ex, host_view<float const> x) {
  constexpr index_t strip = 64;
  index_t const strips = (x.rows() + strip - 1) / strip;
  auto const columns = static_cast<std::size_t>(x.columns());
  std::vector<double> sums(static_cast<std::size_t>(strips) * columns, 0.0);
  ex.for_each(strips, [&](index_t i) {
    double* const sum = sums.data() + static_cast<std::size_t>(i) * columns;
    for (index_t row = i * strip; row < std::min(x.rows(), (i + 1) * strip); ++row) {
      float const* const y = x.row(row);
      for (index_t k = 0; k < x.columns(); ++k) sum[k] += static_cast<double>(y[k]) * static_cast<double>(y[k]);
    }
  });
  std::vector<float> mean(columns);
  for (std::size_t k = 0; k < columns; ++k) {
    double sum = 0.0;
    for (std::size_t i = k; i < sums.size(); i += columns) sum += sums[i];
    mean[k] = static_cast<float>(sum / static_cast<double>(std::max<index_t>(x.rows(), 1)));
  }
  return mean;
}

}  // namespace halfstep
