// A storage format as a value that a layout's type describes.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include <halfstep/core/dtype.hpp>
#include <halfstep/core/dtype_of.hpp>
#include <halfstep/core/extents.hpp>
#include <halfstep/layout/concept.hpp>
#include <halfstep/layout/group_geometry.hpp>
#include <halfstep/layout/group_rows.hpp>
#include <halfstep/recipe/file_trait.hpp>
#include <halfstep/recipe/known_formats.hpp>

namespace halfstep {

/// A storage format as files, markers, plans and solvers see it. One that was not made by `format_of` names nothing.
struct format {
  std::string_view name = {};      ///< of the layout
  std::string_view grid = {};      ///< on which its codes lie, for solvers; empty where they know none of it
  std::string_view geometry = {};  ///< what shares a scale: tensor, row, block, or another word; empty where nothing is scaled
  int side = 0;                    ///< of a block, 0 for other geometries
  float last = 0.0f;               ///< the largest number of the grid, in units of the scale
  dtype codes = dtype::u8;
  dtype scales = dtype::f32;                  ///< of what is stored for a group
  std::size_t scale_bytes = 0;                ///< 0 where nothing is stored
  file_facts files = {};                      ///< what only they know
  bool (*fits)(extents2) = nullptr;           ///< can this shape be stored
  extents2 (*groups)(extents2) = nullptr;     ///< shape of the companion tensor
  bool (*spans_rows)(extents2) = nullptr;     ///< whether a scale depends on every row, so that all are seen before one is stored
  group_geometry (*lie)(extents2) = nullptr;  ///< how the groups lie
  /// what codes and groups of whole rows stand for; null outside of a table, which has the kernels
  void (*decode)(void const* codes, void const* groups, extents2 piece, float* weight) = nullptr;

  /// Returns whether layers have scales, and markers to tell a loader of them.
  constexpr bool has_scales() const { return !geometry.empty(); }

  /// Returns how many neighbouring rows of a weight share groups: all of them where one group spans the weight.
  constexpr index_t group_rows(extents2 e) const {
    extents2 const g = groups(e);
    return g.rows == 0 ? 1 : e.rows / g.rows;
  }

  /// Returns whether both are the same format.
  friend constexpr bool operator==(format const& a, format const& b) { return a.name == b.name && a.side == b.side; }
};

/// Returns the format in words, such as "int8_blockwise 128".
inline std::string to_string(format const& f) {
  return std::string(f.name) + (f.side != 0 ? " " + std::to_string(f.side) : std::string());
}

namespace detail {

template <class Layout>
constexpr std::string_view grid_name_of() {
  if constexpr (requires { Layout::grid::name; })
    return Layout::grid::name;
  else
    return {};
}

template <class Layout>
constexpr float last_of() {
  if constexpr (requires { Layout::last; })
    return Layout::last;
  else
    return 0.0f;
}

/// What shares a scale, as the shapes of a layout's groups tell it.
struct told_geometry {
  std::string_view name;
  int side = 0;
};

template <class Layout>
constexpr told_geometry geometry_told_by() {
  constexpr extents2 tall{5 * 768, 768}, wide{768, 5 * 768};  // what every usual block divides
  if (!has_groups<Layout>) return {{}};
  if (!Layout::fits(tall) || !Layout::fits(wide)) return {"group"};
  if (Layout::groups(tall) == extents2{1, 1} && Layout::groups(wide) == extents2{1, 1}) return {"tensor"};
  if (Layout::groups(tall) == extents2{tall.rows, 1} && Layout::groups(wide) == extents2{wide.rows, 1}) return {"row"};
  index_t const rows = rows_per_group<Layout>(tall);
  if (Layout::run(tall) != rows || Layout::run(wide) != rows || rows_per_group<Layout>(wide) != rows) return {"group"};
  return {"block", static_cast<int>(rows)};
}

template <class Layout>
constexpr told_geometry geometry_told() {
  if constexpr (requires { Layout::geometry::side; })
    return {Layout::geometry::name, Layout::geometry::side};
  else if constexpr (requires { Layout::geometry::name; })
    return {Layout::geometry::name};
  else
    return geometry_told_by<Layout>();
}

template <class Layout>
constexpr dtype scale_type_of() {
  if constexpr (has_groups<Layout>)
    return dtype_of<typename Layout::group_type>;
  else
    return dtype::f32;
}

template <class Layout>
constexpr format format_from() {
  static_assert(check_layout<Layout>());
  constexpr told_geometry told = geometry_told<Layout>();
  return {Layout::name,
          grid_name_of<Layout>(),
          told.name,
          told.side,
          last_of<Layout>(),
          dtype_of<typename Layout::code_type>,
          scale_type_of<Layout>(),
          has_groups<Layout> ? sizeof(typename Layout::group_type) : 0,
          file_trait<Layout>::facts,
          [](extents2 e) { return static_cast<bool>(Layout::fits(e)); },
          [](extents2 e) { return Layout::groups(e); },
          [](extents2 e) { return spans_all_rows<Layout>(e); },
          [](extents2 e) { return geometry_of<Layout>(e); }};
}

}  // namespace detail

/// The format that `Layout` is, with what its type says and what `file_trait` adds.
template <class Layout>
inline constexpr format format_of = detail::format_from<Layout>();

}  // namespace halfstep
