// The layout of a transposed matrix.
#pragma once

#include <string_view>
#include <type_traits>

#include <halfstep/core/extents.hpp>
#include <halfstep/layout/concept.hpp>
#include <halfstep/layout/geometry/across.hpp>

namespace halfstep {

/// What `Layout` becomes when the matrix is transposed: the same grid, groups that lie across, a transposed companion tensor.
///
/// It has no file format of its own.
template <class Layout>
struct transposed : Layout {
  static_assert(check_layout<Layout>());
  static constexpr std::string_view name = "transposed";
  using geometry = across<Layout>;

  HALFSTEP_HD static constexpr bool fits(extents2 e) { return geometry::fits(e); }
  HALFSTEP_HD static constexpr extents2 groups(extents2 e) { return geometry::groups(e); }
  HALFSTEP_HD static constexpr index_t run(extents2 e) { return geometry::run(e); }
  HALFSTEP_HD static constexpr index_t group_of(extents2 e, index_t row, index_t column) {
    return geometry::group_of(e, row, column);
  }
};

namespace detail {

template <class Layout>
concept is_own_transpose = !has_groups<Layout> || std::is_same_v<typename Layout::geometry, typename Layout::geometry::transpose>;

}  // namespace detail

/// The layout that stores the transpose of a `Layout` matrix: itself where it has no groups or its geometry is its own transpose.
template <class Layout>
struct transpose_of {
  using type = std::conditional_t<detail::is_own_transpose<Layout>, Layout, transposed<Layout>>;
};
/// Transposing twice gives the layout itself.
template <class Layout>
struct transpose_of<transposed<Layout>> {
  using type = Layout;
};

}  // namespace halfstep
