// The executor that does one thing after another: the oracle for all others.
#pragma once

#include <halfstep/core/extents.hpp>
#include <halfstep/core/space.hpp>

namespace halfstep {

/// Runs host kernels on the calling thread.
struct serial {
  using space = host_space;

  void wait() const {}

  /// Calls `f(i)` for i = 0 .. count - 1, in order.
  template <class F>
  void for_each(index_t count, F&& f) const {
    for (index_t i = 0; i < count; ++i) f(i);
  }
};

}  // namespace halfstep
