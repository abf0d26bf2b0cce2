// What a rounding policy is: a choice between two neighbouring codes.
#pragma once

#include <concepts>
#include <cstdint>
#include <string_view>

#include <halfstep/core/bracket.hpp>
#include <halfstep/core/extents.hpp>

namespace halfstep {

namespace detail {

template <class R>
concept rounding_has_name = requires {
  { R::name } -> std::convertible_to<std::string_view>;
};
template <class R>
concept rounding_has_bound = requires {
  { R::max_error_steps } -> std::convertible_to<float>;
};
template <class R, class Code>
concept rounding_has_choice = requires(R const r, bracket<Code> b, index_t element) {
  { r(b, element) } -> std::same_as<Code>;
};

}  // namespace detail

/// A value type that takes a bracket and the element's place in its tensor, and returns one of the bracket's two codes.
///
/// `name` is what the command line calls it; `max_error_steps` is how far, in steps, a chosen code can be from the value.
template <class R, class Code>
concept rounding = detail::rounding_has_name<R> && detail::rounding_has_bound<R> && detail::rounding_has_choice<R, Code>;

/// Returns true if `R` is a rounding policy; where it is not, compilation fails with one sentence for each missing member.
template <class R, class Code = std::int8_t>
consteval bool check_rounding() {
  static_assert(detail::rounding_has_name<R>,
                "halfstep: a rounding policy needs a static member name, convertible to std::string_view");
  static_assert(detail::rounding_has_bound<R>,
                "halfstep: a rounding policy needs a static member max_error_steps, "
                "its bound in steps (nearest .5, stochastic 1)");
  static_assert(detail::rounding_has_choice<R, Code>,
                "halfstep: a rounding policy needs Code operator()(bracket<Code>, index_t element) const: the chosen code");
  return true;  // false would add a second error to the sentences above
}

}  // namespace halfstep
