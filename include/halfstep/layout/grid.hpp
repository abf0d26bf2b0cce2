// What a grid is: the numbers that codes stand for, in units of a scale.
#pragma once

#include <concepts>
#include <string_view>

#include <halfstep/core/bracket.hpp>
#include <halfstep/layout/concept.hpp>

namespace halfstep {

namespace detail {

template <class G>
concept grid_has_name = requires {
  { G::name } -> std::convertible_to<std::string_view>;
};
template <class G>
concept grid_has_last = requires {
  { G::last } -> std::convertible_to<float>;
};
template <class G>
concept grid_has_unpack = requires(float scale) {
  { G::unpack(scale) } -> std::same_as<typename G::step_type>;
};
template <class G>
concept grid_has_types = layout_has_code_type<G> && layout_has_step_type<G>;
template <class G>
concept grid_has_far_path = requires(value_range v, float x, typename G::step_type s) {
  { G::is_near(v, s) } -> std::same_as<bool>;
  { G::locate_far(x, s) } -> std::same_as<bracket<typename G::code_type>>;
};

}  // namespace detail

/// A type whose static members say which numbers codes stand for; algorithms over codes take it, whatever groups share scales.
///
/// `name`; `code_type`; `last`: the largest number, in units of the scale, the smallest being -last; `step_type` and
/// `unpack(scale)`: a scale prepared for its elements; `locate(x, step)`: the codes around x; `decode(code, step)`: the number of
/// a code. What else algorithms ask of a grid is derived from these, by `on_grid`; a grid that knows a faster or better answer
/// has the member of that name.
template <class G>
concept grid = detail::grid_has_types<G> && detail::grid_has_name<G> && detail::grid_has_last<G> && detail::grid_has_unpack<G> &&
    detail::layout_has_locate<G> && detail::layout_has_decode<G>;

/// Whether `locate` of a grid or layout is exact only where `is_near` says so, and `locate_far` is everywhere.
template <class G>
concept has_far_path = detail::grid_has_far_path<G>;

/// Returns true if `G` is a grid; where it is not, compilation fails with one sentence for each missing member.
template <class G>
consteval bool check_grid() {
  static_assert(detail::grid_has_name<G>, "halfstep: a grid needs a static member name, convertible to std::string_view");
  static_assert(detail::grid_has_last<G>,
                "halfstep: a grid needs a static member last, its largest number in units of the scale");
  static_assert(detail::layout_has_code_type<G>, "halfstep: a grid needs a member type code_type, the type of one code");
  static_assert(detail::layout_has_step_type<G>,
                "halfstep: a grid needs a member type step_type, a scale prepared for its elements");
  if constexpr (detail::grid_has_types<G>) {
    static_assert(detail::grid_has_unpack<G>,
                  "halfstep: a grid needs step_type unpack(float): a scale prepared for its elements");
    static_assert(detail::layout_has_locate<G>,
                  "halfstep: a grid needs bracket<code_type> locate(float, step_type): the codes around a value");
    static_assert(detail::layout_has_decode<G>,
                  "halfstep: a grid needs float decode(code_type, step_type): the number of a code");
  }
  return true;  // false would add a second error to the sentences above
}

}  // namespace halfstep
