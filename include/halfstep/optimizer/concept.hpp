// What optimizers and schedules are: how a gradient becomes a step, how long a step is, and when to stop.
#pragma once

#include <concepts>

#include <halfstep/core/extents.hpp>
#include <halfstep/core/matrix_view.hpp>
#include <halfstep/exec/serial.hpp>

namespace halfstep {

/// Where an optimization stands: what a schedule sees, once an iteration.
struct progress {
  extents2 shape;      ///< of the variable
  int iteration = 0;   ///< steps taken so far
  double loss = 0.0;   ///< of the point that they led to
  int stall = 0;       ///< iterations since the best loss last fell; 0 where it has just fallen
};

namespace detail {

template <class O>
concept optimizer_has_state = requires { typename O::state_type; };
template <class O>
concept optimizer_has_start = requires(O const o, extents2 e) {
  { o.start(e) } -> std::same_as<typename O::state_type>;
};
template <class O>
concept optimizer_has_step = requires(O const o, serial ex, typename O::state_type& state, host_view<float const> gradient,
                                      host_view<float> x, float rate) {
  o.step(ex, state, gradient, x, rate);
};
template <class S>
concept schedule_has_rate = requires(S s, progress const& p) {
  { s.rate(p) } -> std::same_as<float>;
};
template <class S>
concept schedule_has_done = requires(S const s, progress const& p) {
  { s.done(p) } -> std::same_as<bool>;
};

}  // namespace detail

/// A value that turns gradients into steps.
///
/// `state_type`: what it remembers; `start(extents)`: that for a variable x of this shape which starts at 0; `step(ex, state,
/// gradient, x, rate)`: changes x, in FP32 and the same bits on every executor. An optimizer that remembers points of x's space
/// besides x offers `restart(ex, state, x)` too: x has been set from outside, and they start again from there.
template <class O>
concept optimizer = detail::optimizer_has_state<O> && detail::optimizer_has_start<O> && detail::optimizer_has_step<O>;

/// A value that gives each step its length.
///
/// `rate(progress)`: called once an iteration, in order; it may remember what it saw. `done(progress)`: whether to stop now.
/// A loop works on a copy, so that a schedule serves any number of layers.
template <class S>
concept schedule = detail::schedule_has_rate<S> && detail::schedule_has_done<S>;

/// Returns true if `O` is an optimizer; where it is not, compilation fails with one sentence for each missing member.
template <class O>
consteval bool check_optimizer() {
  static_assert(detail::optimizer_has_state<O>, "halfstep: an optimizer needs a member type state_type, what it remembers");
  if constexpr (detail::optimizer_has_state<O>) {
    static_assert(detail::optimizer_has_start<O>,
                  "halfstep: an optimizer needs state_type start(extents2) const: its state for a variable that starts at 0");
    static_assert(detail::optimizer_has_step<O>,
                  "halfstep: an optimizer needs step(executor, state_type&, host_view<float const> gradient, host_view<float> x, "
                  "float rate) const: changes x");
  }
  return true;  // false would add a second error to the sentences above
}

/// Returns true if `S` is a schedule; where it is not, compilation fails with one sentence for each missing member.
template <class S>
consteval bool check_schedule() {
  static_assert(detail::schedule_has_rate<S>, "halfstep: a schedule needs float rate(progress const&): the next step's length");
  static_assert(detail::schedule_has_done<S>, "halfstep: a schedule needs bool done(progress const&) const: whether to stop now");
  return true;  // false would add a second error to the sentences above
}

}  // namespace halfstep
