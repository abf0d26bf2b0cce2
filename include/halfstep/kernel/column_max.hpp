// The largest magnitude of every column on the host.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <vector>

#include <halfstep/core/matrix_view.hpp>
#include <halfstep/exec/concept.hpp>

namespace halfstep {

/// Returns max |x| of every column of `x` [M, N]; zeros where there are no rows.
///
/// The same bits on every executor. 4 N bytes of scratch for each 256 rows. Precondition: no element is NaN.
template <host_executor Executor>
std::vector<float> column_max(Executor const& ex, host_view<float const> x) {
  constexpr index_t strip = 256;
  index_t const strips = (x.rows() + strip - 1) / strip;
  auto const columns = static_cast<std::size_t>(x.columns());
  std::vector<float> parts(static_cast<std::size_t>(strips) * columns, 0.0f);
  ex.for_each(strips, [&](index_t i) {
    float* const largest = parts.data() + static_cast<std::size_t>(i) * columns;
    for (index_t row = i * strip; row < std::min(x.rows(), (i + 1) * strip); ++row) {
      float const* const y = x.row(row);
      for (index_t k = 0; k < x.columns(); ++k) largest[k] = std::max(largest[k], std::fabs(y[k]));
    }
  });
  std::vector<float> all(columns, 0.0f);
  for (std::size_t i = 0; i < parts.size(); ++i) all[i % columns] = std::max(all[i % columns], parts[i]);
  return all;
}

}  // namespace halfstep
