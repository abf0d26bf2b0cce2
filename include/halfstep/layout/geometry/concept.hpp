// What a geometry is: an empty type that says which elements of a matrix share a group.
#pragma once

#include <concepts>
#include <string_view>
#include <type_traits>

#include <halfstep/core/extents.hpp>

namespace halfstep {

namespace detail {

template <class G>
concept geometry_has_name = requires {
  { G::name } -> std::convertible_to<std::string_view>;
};
template <class G>
concept geometry_has_fits = requires(extents2 e) {
  { G::fits(e) } -> std::same_as<bool>;
};
template <class G>
concept geometry_has_groups = requires(extents2 e) {
  { G::groups(e) } -> std::same_as<extents2>;
};
template <class G>
concept geometry_has_run = requires(extents2 e) {
  { G::run(e) } -> std::same_as<index_t>;
};
template <class G>
concept geometry_has_group_of = requires(extents2 e, index_t i) {
  { G::group_of(e, i, i) } -> std::same_as<index_t>;
};

}  // namespace detail

/// An empty type with the part of a layout that says how groups lie over a matrix, and nothing of numbers.
///
/// `name` is what a scaling mode is called; `fits`, `groups`, `run` and `group_of` mean what they do in a layout. A geometry that
/// is its own transpose says `using transpose = ` itself; any other is turned by `across`.
template <class G>
concept geometry = std::is_empty_v<G> && detail::geometry_has_name<G> && detail::geometry_has_fits<G> &&
    detail::geometry_has_groups<G> && detail::geometry_has_run<G> && detail::geometry_has_group_of<G>;

/// Returns true if `G` is a geometry; where it is not, compilation fails with one sentence for each missing member.
template <class G>
consteval bool check_geometry() {
  static_assert(std::is_empty_v<G>, "halfstep: a geometry is an empty type; what varies at run time is a group_geometry");
  static_assert(detail::geometry_has_name<G>, "halfstep: a geometry needs a static member name, convertible to std::string_view");
  static_assert(detail::geometry_has_fits<G>, "halfstep: a geometry needs bool fits(extents2): can its groups tile this shape");
  static_assert(detail::geometry_has_groups<G>,
                "halfstep: a geometry needs extents2 groups(extents2): the shape of the companion tensor");
  static_assert(detail::geometry_has_run<G>,
                "halfstep: a geometry needs index_t run(extents2): how many neighbouring columns share a group");
  static_assert(detail::geometry_has_group_of<G>,
                "halfstep: a geometry needs index_t group_of(extents2, index_t row, index_t column): the group of an element");
  return true;  // false would add a second error to the sentences above
}

}  // namespace halfstep
