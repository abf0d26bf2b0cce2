// What a scale rule is: how what is stored for a group follows from its weights.
#pragma once

#include <concepts>
#include <type_traits>

#include <halfstep/layout/concept.hpp>

namespace halfstep {

namespace detail {

template <class R>
concept scale_rule_has_group_type = requires {
  typename R::group_type;
};
template <class R, class Grid>
concept scale_rule_has_fit = requires(value_range v) {
  { R::template fit<Grid>(v) } -> std::same_as<typename R::group_type>;
};
template <class R>
concept scale_rule_has_scale_of = requires(typename R::group_type g) {
  { R::scale_of(g) } -> std::same_as<float>;
};

}  // namespace detail

/// An empty type that turns the range of a group's weights into what is stored for it, and that into the scale of its codes.
///
/// `group_type`: what is stored; `fit<Grid>(range)`: that of a group on a grid; `scale_of(group)`: the FP32 scale it stands for.
template <class R, class Grid>
concept scale_rule = std::is_empty_v<R> && detail::scale_rule_has_group_type<R> && detail::scale_rule_has_fit<R, Grid> &&
    detail::scale_rule_has_scale_of<R>;

/// Returns true if `R` is a scale rule; where it is not, compilation fails with one sentence for each missing member.
template <class R, class Grid>
consteval bool check_scale_rule() {
  static_assert(std::is_empty_v<R>, "halfstep: a scale rule is an empty type");
  static_assert(detail::scale_rule_has_group_type<R>,
                "halfstep: a scale rule needs a member type group_type, what is stored for a group");
  if constexpr (detail::scale_rule_has_group_type<R>) {
    static_assert(detail::scale_rule_has_fit<R, Grid>,
                  "halfstep: a scale rule needs group_type fit<Grid>(value_range): what is stored for a group");
    static_assert(detail::scale_rule_has_scale_of<R>,
                  "halfstep: a scale rule needs float scale_of(group_type): the scale of a group's codes");
  }
  return true;  // false would add a second error to the sentences above
}

}  // namespace halfstep
