// What an executor is: where work runs, and how to wait for it.
#pragma once

#include <concepts>

#include <halfstep/core/extents.hpp>
#include <halfstep/core/space.hpp>

namespace halfstep {

/// A cheap value that says where kernels run: its memory space, and `wait()` until all that was started is done.
template <class E>
concept executor = requires(E const e) {
  typename E::space;
  { e.wait() } -> std::same_as<void>;
};

namespace detail {

struct ignore_index {
  void operator()(index_t) const {}
};

}  // namespace detail

/// An executor of host memory: calls a function for 0 .. count - 1, in any order, possibly at once.
///
/// `for_each(count, f)` returns when all calls have; if some throw, the exception of the lowest index that threw is rethrown.
template <class E>
concept host_executor = executor<E> && std::same_as<typename E::space, host_space> &&
                        requires(E const e, index_t n, detail::ignore_index f) { e.for_each(n, f); };

/// An executor of device memory.
template <class E>
concept device_executor = executor<E> && std::same_as<typename E::space, device_space>;

}  // namespace halfstep
