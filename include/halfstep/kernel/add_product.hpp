// A product added to a matrix on the host, c += a b, for a b that is packed once and meets many pieces of c.
#pragma once

#include <algorithm>
#include <cstddef>

#include <halfstep/core/arithmetic.hpp>
#include <halfstep/core/buffer.hpp>
#include <halfstep/core/extents.hpp>
#include <halfstep/core/matrix_view.hpp>
#include <halfstep/exec/concept.hpp>
#include <halfstep/kernel/row_tiles.hpp>

namespace halfstep {

/// A matrix [K, N] in panels of neighbouring columns, each panel row after row: the right factor of `add_product`.
class packed_factor {
 public:
  static constexpr index_t panel_columns = 32;

  packed_factor() = default;

  /// Packs `from`; the columns of the last panel that it lacks are zero.
  explicit packed_factor(host_view<float const> from)
      : extents_(from.extents()), values_(panels() * extents_.rows * panel_columns) {
    for (index_t p = 0; p < panels(); ++p) {
      index_t const first = p * panel_columns;
      index_t const width = std::min(panel_columns, extents_.columns - first);
      for (index_t k = 0; k < extents_.rows; ++k) {
        float* const to = values_.data() + (p * extents_.rows + k) * panel_columns;
        std::copy_n(from.row(k) + first, width, to);
        std::fill(to + width, to + panel_columns, 0.0f);
      }
    }
  }

  extents2 extents() const { return extents_; }
  index_t panels() const { return (extents_.columns + panel_columns - 1) / panel_columns; }
  float const* panel(index_t p) const { return values_.data() + p * extents_.rows * panel_columns; }

 private:
  extents2 extents_{};
  host_buffer<float> values_;
};

namespace detail {

/// As many rows at once as the registers hold sums of.
#if defined(__AVX512F__)
inline constexpr int product_rows = 4;
#else
inline constexpr int product_rows = 2;
#endif

/// Adds `Rows` rows of `left`, `rank` numbers each, times a panel to as many rows of c, `stride` apart.
template <int Rows>
void add_panel(float const* left, float const* panel, index_t rank, float* c, index_t stride, index_t width) {
  constexpr int columns = packed_factor::panel_columns;
  float sum[Rows][columns] = {};
  for (index_t k = 0; k < rank; ++k) {
    for (int i = 0; i < Rows; ++i) {
      float const x = left[i * rank + k];
      for (int j = 0; j < columns; ++j) sum[i][j] = multiply_add(x, panel[k * columns + j], sum[i][j]);
    }
  }
  for (int i = 0; i < Rows; ++i) {
    float* const to = c + i * stride;
    if (width == columns)
      for (int j = 0; j < columns; ++j) to[j] += sum[i][j];
    else
      for (index_t j = 0; j < width; ++j) to[j] += sum[i][j];
  }
}

}  // namespace detail

/// Adds a b to c: each element's products are summed in FP32 in ascending order, and the sum is added last.
///
/// a [M, K], b [K, N], c [M, N]. Meant for a small K and pieces of c that stay in cache. On one machine the same bits for any
/// executor and any cut of c into rows. Throws shape_error.
template <host_executor Executor>
void add_product(Executor const& ex, host_view<float const> a, packed_factor const& b, host_view<float> c) {
  require_extents({1, a.columns()}, {1, b.extents().rows}, "halfstep: the inner extents of add_product");
  require_extents(c.extents(), {a.rows(), b.extents().columns}, "halfstep: the output of add_product");
  index_t const rank = a.columns();
  row_tiles const tiles(c.extents(), detail::product_rows);
  ex.for_each(tiles.count(), [&](index_t tile) {
    index_t const end = tiles.first(tile) + tiles.rows(tile);
    for (index_t p = 0; p < b.panels(); ++p) {
      index_t const column = p * packed_factor::panel_columns;
      index_t const width = std::min(packed_factor::panel_columns, c.columns() - column);
      index_t row = tiles.first(tile);
      for (; row + detail::product_rows <= end; row += detail::product_rows)
        detail::add_panel<detail::product_rows>(a.row(row), b.panel(p), rank, c.row(row) + column, c.columns(), width);
      for (; row < end; ++row) detail::add_panel<1>(a.row(row), b.panel(p), rank, c.row(row) + column, c.columns(), width);
    }
  });
}

}  // namespace halfstep
