// The factors of adapters as matrices in memory, and their small products.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include <halfstep/core/buffer.hpp>
#include <halfstep/core/extents.hpp>
#include <halfstep/core/matrix_view.hpp>
#include <halfstep/lora/adapter.hpp>
#include <halfstep/lora/adapter_layer.hpp>
#include <halfstep/lora/delta_part.hpp>
#include <halfstep/safetensors/header.hpp>

namespace halfstep::detail {

/// A matrix that is small beside a weight.
struct small_matrix {
  extents2 extents{};
  host_buffer<float> values{};

  host_view<float> view() { return values.view(extents); }
  host_view<float const> view() const { return values.view(extents); }
};

/// Reads a tensor as a matrix along its first dimension. Throws value_error at NaN or infinity, and io_error.
inline small_matrix read_matrix(adapter const& from, safetensors::tensor const& t) {
  auto const rows = static_cast<index_t>(t.shape[0]);
  extents2 const e{rows, static_cast<index_t>(t.count()) / std::max<index_t>(rows, 1)};
  small_matrix m{e, host_buffer<float>(e.count())};
  read_adapter(from, t, 0, {m.values.data(), static_cast<std::size_t>(e.count())});
  return m;
}

inline small_matrix transposed(small_matrix const& m) {
  small_matrix t{{m.extents.columns, m.extents.rows}, host_buffer<float>(m.extents.count())};
  for (index_t i = 0; i < m.extents.rows; ++i)
    for (index_t k = 0; k < m.extents.columns; ++k) t.values[k * t.extents.columns + i] = m.values[i * m.extents.columns + k];
  return t;
}

/// Returns a b, summed in FP64.
inline small_matrix product(small_matrix const& a, small_matrix const& b) {
  small_matrix c{{a.extents.rows, b.extents.columns}, host_buffer<float>(a.extents.rows * b.extents.columns)};
  std::vector<double> sum(static_cast<std::size_t>(b.extents.columns));
  for (index_t i = 0; i < a.extents.rows; ++i) {
    std::fill(sum.begin(), sum.end(), 0.0);
    for (index_t k = 0; k < a.extents.columns; ++k) {
      auto const x = static_cast<double>(a.values[i * a.extents.columns + k]);
      float const* const row = b.values.data() + k * b.extents.columns;
      for (std::size_t j = 0; j < sum.size(); ++j) sum[j] += x * static_cast<double>(row[j]);
    }
    std::transform(sum.begin(), sum.end(), c.values.data() + i * c.extents.columns,
                   [](double x) { return static_cast<float>(x); });
  }
  return c;
}

/// Returns the right factor of a Tucker product: [r, N kernel], sum_q core[r, q, kernel] inner[q, N], for a core [r, q kernel]
/// that is read as [r, q, kernel], and `inner` [q, N]. Summed in FP64.
inline small_matrix tucker(small_matrix const& core, small_matrix const& inner) {
  index_t const rank = core.extents.rows, q = inner.extents.rows, n = inner.extents.columns, kernel = core.extents.columns / q;
  small_matrix right{{rank, n * kernel}, host_buffer<float>(rank * n * kernel)};
  std::vector<double> sum(static_cast<std::size_t>(n * kernel));
  for (index_t r = 0; r < rank; ++r) {
    std::fill(sum.begin(), sum.end(), 0.0);
    for (index_t i = 0; i < q; ++i)
      for (index_t column = 0; column < n; ++column) {
        auto const x = static_cast<double>(inner.values[i * n + column]);
        float const* const taps = core.values.data() + r * core.extents.columns + i * kernel;
        for (index_t k = 0; k < kernel; ++k)
          sum[static_cast<std::size_t>(column * kernel + k)] += x * static_cast<double>(taps[k]);
      }
    std::transform(sum.begin(), sum.end(), right.values.data() + r * right.extents.columns,
                   [](double x) { return static_cast<float>(x); });
  }
  return right;
}

/// Returns the right factor of a part's low-rank product, [r, N kernel].
inline small_matrix right_factor(adapter const& from, adapter_layer const& layer) {
  auto down = read_matrix(from, *layer.down());
  auto const* const middle = layer.at(adapter_part::middle);
  return middle == nullptr ? std::move(down) : tucker(read_matrix(from, *middle), down);
}

}  // namespace halfstep::detail
