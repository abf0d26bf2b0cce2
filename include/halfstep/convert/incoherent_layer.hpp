// What QuIP's transformed storage does to a layer in memory, and what comes back from it.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>
#include <vector>

#include <halfstep/calibration/layer_hessian.hpp>
#include <halfstep/core/buffer.hpp>
#include <halfstep/core/matrix_view.hpp>
#include <halfstep/exec/concept.hpp>
#include <halfstep/kernel/residual_statistics.hpp>
#include <halfstep/linalg/gram.hpp>
#include <halfstep/transform/two_sided_hadamard.hpp>

namespace halfstep::detail {

/// Turns W [M, N], the first numbers at `w`, into W' of the padded shape, in place.
template <class Executor>
void turn(Executor const& ex, two_sided_hadamard const& basis, float* w) {
  extents2 const from = basis.original();
  extents2 const to = basis.padded();
  for (index_t row = from.rows; row-- > 0;) {  // from the last on: no row is overwritten before it is moved
    if (row > 0) std::copy_backward(w + row * from.columns, w + (row + 1) * from.columns, w + row * to.columns + from.columns);
    std::fill(w + row * to.columns + from.columns, w + (row + 1) * to.columns, 0.0f);
  }
  std::fill(w + from.rows * to.columns, w + to.count(), 0.0f);
  basis.apply(ex, host_view<float>(w, to));
}

/// Turns W' into W, the first numbers at `w`, in place.
template <class Executor>
void turn_back(Executor const& ex, two_sided_hadamard const& basis, float* w) {
  extents2 const from = basis.padded();
  extents2 const to = basis.original();
  basis.invert(ex, host_view<float>(w, from));
  for (index_t row = 1; row < to.rows; ++row) std::copy_n(w + row * from.columns, to.columns, w + row * to.columns);
}

/// Returns H' = Had diag(s_v) H diag(s_v) Had of inputs that go through the transform. Its padding makes it singular.
template <class Executor>
host_buffer<float> turned_moments(Executor const& ex, two_sided_hadamard const& basis, layer_hessian const& plain) {
  index_t const n = basis.original().columns;
  index_t const size = basis.padded().columns;
  mirror_lower(ex, plain.lower.view({n, n}));
  host_buffer<float> turned(size * size);
  host_buffer<float> const other(size * size);
  auto const h = turned.view({size, size});
  auto const t = other.view({size, size});
  ex.for_each(size, [&](index_t row) {
    std::fill_n(t.row(row), size, 0.0f);
    if (row < n) std::copy_n(plain.lower.data() + row * n, n, t.row(row));
  });
  basis.apply_to_input(ex, t);
  ex.for_each(size, [&](index_t row) {
    for (index_t k = 0; k < size; ++k) h(row, k) = t(k, row);
  });
  basis.apply_to_input(ex, h);
  return turned;
}

/// Returns what all of `decoded` [M, N] is off from `weight`; `clipped` is not counted. Sums in a fixed order.
template <class Executor>
residual_statistics difference(Executor const& ex, host_view<float const> weight, host_view<float const> decoded) {
  std::vector<residual_statistics> rows(static_cast<std::size_t>(weight.rows()));
  ex.for_each(weight.rows(), [&](index_t row) {
    auto& s = rows[static_cast<std::size_t>(row)];
    for (index_t k = 0; k < weight.columns(); ++k) {
      double const x = weight(row, k);
      double const off = x - static_cast<double>(decoded(row, k));
      s.weight_square += x * x;
      s.error_square += off * off;
      s.product += x * off;
      s.max_error = std::max(s.max_error, static_cast<float>(std::fabs(off)));
    }
  });
  residual_statistics all;
  for (auto const& row : rows) all += row;
  return all;
}

/// Returns (W - Wq) mean for every row.
template <class Executor>
std::vector<double> mean_difference(Executor const& ex, host_view<float const> weight, host_view<float const> decoded,
                                    std::span<float const> mean) {
  std::vector<double> shift(static_cast<std::size_t>(weight.rows()));
  ex.for_each(weight.rows(), [&](index_t row) {
    double sum = 0.0;
    for (index_t k = 0; k < weight.columns(); ++k)
      sum += (static_cast<double>(weight(row, k)) - static_cast<double>(decoded(row, k))) *
             static_cast<double>(mean[static_cast<std::size_t>(k)]);
    shift[static_cast<std::size_t>(row)] = sum;
  });
  return shift;
}

}  // namespace halfstep::detail
