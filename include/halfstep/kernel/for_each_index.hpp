// A function for every index on the host. The device overload is in for_each_index.cuh.
#pragma once

#include <algorithm>

#include <halfstep/core/extents.hpp>
#include <halfstep/exec/concept.hpp>

namespace halfstep {

/// Calls `f(i)` for i = 0 .. count - 1, in any order and possibly at once, 4096 neighbours to a task.
///
/// An exception of `f` comes out of the lowest task that threw.
template <host_executor Executor, class F>
void for_each_index(Executor const& ex, index_t count, F const& f) {
  constexpr index_t task = 4096;
  ex.for_each((count + task - 1) / task, [&](index_t i) {
    for (index_t k = i * task; k < std::min(count, (i + 1) * task); ++k) f(k);
  });
}

}  // namespace halfstep
