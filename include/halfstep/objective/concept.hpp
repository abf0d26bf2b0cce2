// What an objective is: a measure of how bad a residual is, and its gradient.
#pragma once

#include <concepts>

#include <halfstep/core/matrix_view.hpp>
#include <halfstep/exec/serial.hpp>

namespace halfstep {

namespace detail {

template <class O>
concept objective_has_loss = requires(O const o, serial ex, host_view<float const> residual) {
  { o.loss(ex, residual) } -> std::same_as<double>;
};
template <class O>
concept objective_has_gradient = requires(O const o, serial ex, host_view<float const> residual, host_view<float> out) {
  { o.gradient(ex, residual, out) } -> std::same_as<double>;
};

}  // namespace detail

/// A value that measures a residual E = W - Wq [M, N].
///
/// `loss(ex, residual)`: a number that is 0 or more, the same bits on every executor; `gradient(ex, residual, out)`: stores
/// d loss / d E, zeros where it does not exist, and returns the loss. An objective that says `gradient_in_place` lets `out` be
/// the residual's own memory: a solver saves a matrix that way.
template <class O>
concept objective = detail::objective_has_loss<O> && detail::objective_has_gradient<O>;

/// Whether the gradient of `O` may be stored over the residual.
template <class O>
inline constexpr bool has_gradient_in_place = requires { requires O::gradient_in_place; };

/// Returns true if `O` is an objective; where it is not, compilation fails with one sentence for each missing member.
template <class O>
consteval bool check_objective() {
  static_assert(detail::objective_has_loss<O>,
                "halfstep: an objective needs double loss(executor, host_view<float const> residual) const");
  static_assert(detail::objective_has_gradient<O>,
                "halfstep: an objective needs double gradient(executor, host_view<float const> residual, host_view<float> out) "
                "const: stores d loss / d residual, returns the loss");
  return true;  // false would add a second error to the sentences above
}

}  // namespace halfstep
