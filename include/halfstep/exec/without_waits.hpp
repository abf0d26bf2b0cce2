// A device executor that never waits, so that what waits at its end can be a part of something longer.
#pragma once

#include <halfstep/exec/concept.hpp>

namespace halfstep {

/// Queues on `Executor`; its `wait()` returns at once, so that calls which wait at their end only queue their work.
///
/// Reading from the device and writing to it wait all the same.
template <device_executor Executor>
struct without_waits : Executor {
  explicit without_waits(Executor const& ex) : Executor(ex) {}

  void wait() const {}
};

namespace detail {

/// Returns an executor for the steps of a longer call, which waits itself.
template <device_executor Executor>
without_waits<Executor> queue_of(Executor const& ex) {
  return without_waits<Executor>(ex);
}
template <host_executor Executor>
Executor const& queue_of(Executor const& ex) {
  return ex;
}

}  // namespace detail

}  // namespace halfstep
