// What a layout is: an empty type that says how a weight matrix becomes codes and groups.
#pragma once

#include <concepts>
#include <string_view>
#include <type_traits>

#include <halfstep/core/bracket.hpp>
#include <halfstep/core/compiler.hpp>
#include <halfstep/core/extents.hpp>

namespace halfstep {

/// What a layout needs to know of a group's weights before it fits a scale.
struct value_range {
  float amax;  ///< the largest magnitude
};

/// The group of a layout that stores none.
struct no_group {};

/// Whether `Layout` stores one value a group beside its codes.
template <class Layout>
inline constexpr bool has_groups = !std::is_empty_v<typename Layout::group_type>;

namespace detail {

template <class L>
concept layout_is_empty = std::is_empty_v<L>;
template <class L>
concept layout_has_name = requires {
  { L::name } -> std::convertible_to<std::string_view>;
};
template <class L>
concept layout_has_code_type = requires { typename L::code_type; };
template <class L>
concept layout_has_group_type = requires { typename L::group_type; };
template <class L>
concept layout_has_step_type = requires { typename L::step_type; };
template <class L>
concept layout_has_fits = requires(extents2 e) {
  { L::fits(e) } -> std::same_as<bool>;
};
template <class L>
concept layout_has_groups = requires(extents2 e) {
  { L::groups(e) } -> std::same_as<extents2>;
};
template <class L>
concept layout_has_run = requires(extents2 e) {
  { L::run(e) } -> std::same_as<index_t>;
};
template <class L>
concept layout_has_group_of = requires(extents2 e, index_t i) {
  { L::group_of(e, i, i) } -> std::same_as<index_t>;
};
template <class L>
concept layout_has_fit = requires(value_range v) {
  { L::fit(v) } -> std::same_as<typename L::group_type>;
};
template <class L>
concept layout_has_unpack = requires(typename L::group_type g) {
  { L::unpack(g) } -> std::same_as<typename L::step_type>;
};
template <class L>
concept layout_has_locate = requires(float x, typename L::step_type s) {
  { L::locate(x, s) } -> std::same_as<bracket<typename L::code_type>>;
};
template <class L>
concept layout_has_decode = requires(typename L::code_type q, typename L::step_type s) {
  { L::decode(q, s) } -> std::same_as<float>;
};
template <class L>
concept layout_has_types = layout_has_code_type<L> && layout_has_group_type<L> && layout_has_step_type<L>;

}  // namespace detail

/// An empty type that is a storage format: shapes, groups, and the grid each group's codes lie on.
///
/// `name` goes into the file; `fits(e)`: can this shape be stored; `groups(e)`: the shape of the companion tensor, {0, 0} for
/// none; `run(e)`: how many neighbouring columns share a group; `group_of(e, row, column)`: the group's place in the companion
/// tensor; `fit(range)`: what is stored for a group; `unpack(group)`: the same, prepared once for all of its elements;
/// `locate(x, step)`: the codes around x; `decode(code, step)`: the number a code stands for.
/// A group's rows are neighbours, all rows of groups span equally many rows, and every group of a row starts at a multiple of
/// `run`.
template <class L>
concept layout = detail::layout_is_empty<L> && detail::layout_has_types<L> && detail::layout_has_name<L> &&
                 detail::layout_has_fits<L> && detail::layout_has_groups<L> && detail::layout_has_run<L> &&
                 detail::layout_has_group_of<L> && detail::layout_has_fit<L> && detail::layout_has_unpack<L> &&
                 detail::layout_has_locate<L> && detail::layout_has_decode<L>;

/// Returns true if `L` is a layout; where it is not, compilation fails with one sentence for each missing member.
template <class L>
consteval bool check_layout() {
  static_assert(detail::layout_is_empty<L>,
                "halfstep: a layout is an empty type; what varies at run time belongs into a transform");
  static_assert(detail::layout_has_code_type<L>, "halfstep: a layout needs a member type code_type, the type of one code");
  static_assert(detail::layout_has_group_type<L>,
                "halfstep: a layout needs a member type group_type, what is stored for a group (no_group for nothing)");
  static_assert(detail::layout_has_step_type<L>,
                "halfstep: a layout needs a member type step_type, a group prepared for its elements");
  static_assert(detail::layout_has_name<L>, "halfstep: a layout needs a static member name, convertible to std::string_view");
  static_assert(detail::layout_has_fits<L>, "halfstep: a layout needs bool fits(extents2): can this shape be stored");
  static_assert(detail::layout_has_groups<L>,
                "halfstep: a layout needs extents2 groups(extents2): the shape of its companion tensor");
  static_assert(detail::layout_has_run<L>,
                "halfstep: a layout needs index_t run(extents2): how many neighbouring columns share a group");
  static_assert(detail::layout_has_group_of<L>,
                "halfstep: a layout needs index_t group_of(extents2, index_t row, index_t column): the group of an element");
  if constexpr (detail::layout_has_types<L>) {
    static_assert(detail::layout_has_fit<L>, "halfstep: a layout needs group_type fit(value_range): what is stored for a group");
    static_assert(detail::layout_has_unpack<L>,
                  "halfstep: a layout needs step_type unpack(group_type): a group prepared for its elements");
    static_assert(detail::layout_has_locate<L>,
                  "halfstep: a layout needs bracket<code_type> locate(float, step_type): the codes around a value");
    static_assert(detail::layout_has_decode<L>,
                  "halfstep: a layout needs float decode(code_type, step_type): the number of a code");
  }
  return true;  // false would add a second error to the sentences above
}

}  // namespace halfstep
