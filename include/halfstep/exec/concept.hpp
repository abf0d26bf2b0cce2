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
    requires(E const e, index_t n, detail::ignore_index f) {
  e.for_each(n, f);
};

namespace detail {

template <class E>
concept device_has_allocate = requires(E const e, index_t n) {
  e.template allocate<float>(n).data();
};
template <class E>
concept device_has_read = requires(E const e, float const* from, float* to, index_t n) {
  { e.read(from, to, n) } -> std::same_as<void>;
};
template <class E>
concept device_has_write = requires(E const e, float const* from, float* to, index_t n) {
  { e.write(from, to, n) } -> std::same_as<void>;
};
template <class E>
concept device_has_handle = requires(E const e) {
  e.handle();
};
template <class E>
concept device_has_capability = requires(E const e) {
  { e.capability() } -> std::same_as<int>;
};

}  // namespace detail

/// An executor of device memory, which runs what it is given one after the other.
///
/// `allocate<T>(count)`: an object that owns `count` elements at its `data()`, in the order of the work; `read(from, to, count)`
/// and `write(from, to, count)`: copies from and to the device, which wait; `handle()`: what launches and copies are queued on, a
/// cudaStream_t unless `launch` is overloaded for the executor; `capability()`: the compute capability, such as 90.
template <class E>
concept device_executor = executor<E> && std::same_as<typename E::space, device_space> && detail::device_has_allocate<E> &&
    detail::device_has_read<E> && detail::device_has_write<E> && detail::device_has_handle<E> && detail::device_has_capability<E>;

/// Returns true if `E` is a device executor; where it is not, compilation fails with one sentence for each missing member.
template <class E>
consteval bool check_device_executor() {
  static_assert(executor<E>, "halfstep: an executor needs a member type space and void wait() const");
  static_assert(detail::device_has_allocate<E>,
                "halfstep: a device executor needs allocate<T>(index_t count) const: memory that owns itself");
  static_assert(detail::device_has_read<E>,
                "halfstep: a device executor needs void read(T const* from, T* to, index_t count) const: a copy to the host");
  static_assert(detail::device_has_write<E>,
                "halfstep: a device executor needs void write(T const* from, T* to, index_t count) const: a copy to the device");
  static_assert(detail::device_has_handle<E>, "halfstep: a device executor needs handle() const: what work is queued on");
  static_assert(detail::device_has_capability<E>,
                "halfstep: a device executor needs int capability() const: the compute capability, such as 90");
  return true;  // false would add a second error to the sentences above
}

}  // namespace halfstep
