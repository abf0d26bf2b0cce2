// The layout of a transposed matrix.
#pragma once

#include <string_view>

#include <halfstep/core/extents.hpp>
#include <halfstep/layout/concept.hpp>
#include <halfstep/layout/fp16.hpp>
#include <halfstep/layout/fp8_block.hpp>
#include <halfstep/layout/fp8_tensor.hpp>
#include <halfstep/layout/group_rows.hpp>
#include <halfstep/layout/int8_block.hpp>
#include <halfstep/layout/int8_tensor.hpp>

namespace halfstep {

/// What `Layout` becomes when the matrix is transposed: the same grid, groups that lie across, a transposed companion tensor.
///
/// It has no file format of its own.
template <class Layout>
struct transposed : Layout {
  static_assert(check_layout<Layout>());
  static constexpr std::string_view name = "transposed";

  HALFSTEP_HD static constexpr bool fits(extents2 e) { return Layout::fits(e.transposed()); }
  HALFSTEP_HD static constexpr extents2 groups(extents2 e) { return Layout::groups(e.transposed()).transposed(); }
  HALFSTEP_HD static constexpr index_t run(extents2 e) { return rows_per_group<Layout>(e.transposed()); }
  HALFSTEP_HD static constexpr index_t group_of(extents2 e, index_t row, index_t column) {
    extents2 const there = Layout::groups(e.transposed());
    if (there.columns == 0) return 0;
    index_t const group = Layout::group_of(e.transposed(), column, row);
    return group % there.columns * there.rows + group / there.columns;
  }
};

/// The layout that stores the transpose of a `Layout` matrix; specialize it for a layout that is its own transpose.
template <class Layout>
struct transpose_of {
  using type = transposed<Layout>;
};
/// Transposing twice gives the layout itself.
template <class Layout>
struct transpose_of<transposed<Layout>> {
  using type = Layout;
};
/// A square block is a square block.
template <int Side>
struct transpose_of<int8_block<Side>> {
  using type = int8_block<Side>;
};
/// One scale serves both.
template <>
struct transpose_of<int8_tensor> {
  using type = int8_tensor;
};
/// The same on the FP8 grid.
template <int Side>
struct transpose_of<fp8_block<Side>> {
  using type = fp8_block<Side>;
};
/// The same on the FP8 grid.
template <>
struct transpose_of<fp8_tensor> {
  using type = fp8_tensor;
};
/// There are no groups.
template <>
struct transpose_of<fp16> {
  using type = fp16;
};

}  // namespace halfstep
