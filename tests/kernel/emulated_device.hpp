// A device executor that runs blocks on the host, thread by thread and phase by phase.
#pragma once

#include <algorithm>
#include <cstring>
#include <numeric>
#include <random>
#include <vector>

#include <halfstep/core/buffer.hpp>
#include <halfstep/core/extents.hpp>
#include <halfstep/core/space.hpp>
#include <halfstep/device/launch.cuh>
#include <halfstep/exec/concept.hpp>

/// Device kernels on the host: their memory is host memory, and a barrier is the end of a loop over the threads.
///
/// Blocks come in a random order, as on a device; shared memory and registers start out with garbage.
struct emulated_device {
  using space = halfstep::device_space;

  struct nothing {};

  int compute_capability = 90;

  void wait() const {}
  int capability() const { return compute_capability; }
  nothing handle() const { return {}; }  // `launch` below asks for none

  template <class T>
  halfstep::host_buffer<T> allocate(halfstep::index_t count) const {
    halfstep::host_buffer<T> memory(count);
    std::memset(static_cast<void*>(memory.data()), 0xcd, static_cast<std::size_t>(count) * sizeof(T));
    return memory;
  }

  template <class T>
  void read(T const* from, T* to, halfstep::index_t count) const {
    std::copy_n(from, count, to);
  }

  template <class T>
  void write(T const* from, T* to, halfstep::index_t count) const {
    std::copy_n(from, count, to);
  }
};

static_assert(halfstep::check_device_executor<emulated_device>() && halfstep::device_executor<emulated_device>);

/// Runs every block of `tile`; found by argument-dependent lookup in place of the launch on a stream.
template <class Tile>
void launch(emulated_device const&, Tile const& tile, halfstep::tile_shape shape) {
  halfstep::detail::require_launch<Tile>(shape);
  std::vector<halfstep::index_t> order(static_cast<std::size_t>(shape.blocks));
  std::iota(order.begin(), order.end(), halfstep::index_t{0});
  std::shuffle(order.begin(), order.end(), std::mt19937_64(order.size()));
  std::vector<typename Tile::state_type> states(static_cast<std::size_t>(shape.threads));
  for (halfstep::index_t const block : order) {
    typename Tile::shared_type shared;
    std::memset(static_cast<void*>(&shared), 0xcd, sizeof(shared));
    std::memset(static_cast<void*>(states.data()), 0xcd, states.size() * sizeof(states[0]));
    for (int phase = 0; phase < tile.phases(); ++phase)
      for (int thread = 0; thread < shape.threads; ++thread)
        tile.run(phase, {block, shape.blocks, thread, shape.threads}, shared, states[static_cast<std::size_t>(thread)]);
  }
}
