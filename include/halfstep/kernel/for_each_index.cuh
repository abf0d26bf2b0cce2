// A function for every index on the device.
#pragma once

#include <halfstep/core/compiler.hpp>
#include <halfstep/device/launch.cuh>
#include <halfstep/exec/concept.hpp>
#include <halfstep/kernel/for_each_index.hpp>

namespace halfstep {

namespace detail {

template <class F>
struct index_tile {
  using shared_type = tile_nothing;
  using state_type = tile_nothing;
  static constexpr int max_threads = 256;

  F f;
  index_t count;

  HALFSTEP_HD static constexpr int phases() { return 1; }

  HALFSTEP_HD void run(int, tile_place at, shared_type&, state_type&) const {
    index_t const i = at.block * at.threads + at.thread;
    if (i < count) f(i);
  }
};

}  // namespace detail

/// Calls `f(i)` for i = 0 .. count - 1 on the device, in any order, in stream order.
///
/// `f` is copied there: plain data with a `HALFSTEP_HD` call operator, whose pointers lie in device memory. Throws cuda_error.
template <device_executor Executor, class F>
void for_each_index_async(Executor const& ex, index_t count, F const& f) {
  using tile = detail::index_tile<F>;
  launch(ex, tile{f, count}, {(count + tile::max_threads - 1) / tile::max_threads, tile::max_threads});
}

/// `for_each_index_async`, and waits for the executor.
template <device_executor Executor, class F>
void for_each_index(Executor const& ex, index_t count, F const& f) {
  for_each_index_async(ex, count, f);
  ex.wait();
}

}  // namespace halfstep
