// Largest values over threads: the one thing threads tell each other within a phase, since its order does not matter.
#pragma once

#include <cstdint>

#include <halfstep/core/compiler.hpp>
#include <halfstep/core/extents.hpp>

#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ < 800
#error "halfstep: device kernels need compute capability 8.0 or later (the maximum of a warp in one step): use sm_80"
#endif

namespace halfstep::detail {

/// Raises slots[slot] to `value`; one atomic operation a warp where all of its threads mean the same slot.
///
/// On the device all 32 threads of a warp call it together.
HALFSTEP_HD inline void raise(std::uint32_t* slots, index_t slot, std::uint32_t value) {
#if defined(__CUDA_ARCH__)
  if (!__any_sync(0xffffffffu, value > 0)) return;
  int same = 0;
  static_cast<void>(__match_all_sync(0xffffffffu, slot, &same));
  if (same) {
    std::uint32_t const largest = __reduce_max_sync(0xffffffffu, value);
    if (threadIdx.x % 32 == 0 && largest > 0) atomicMax(slots + slot, largest);
  } else if (value > 0) {
    atomicMax(slots + slot, value);
  }
#else
  if (slots[slot] < value) slots[slot] = value;
#endif
}

/// Stores the largest `value` of a warp's threads in `*slot`; the host calls it for a warp's first thread first.
HALFSTEP_HD inline void store_largest(std::uint32_t* slot, int thread, std::uint32_t value) {
#if defined(__CUDA_ARCH__)
  std::uint32_t const largest = __reduce_max_sync(0xffffffffu, value);
  if (thread % 32 == 0) *slot = largest;
#else
  if (thread % 32 == 0 || *slot < value) *slot = value;
#endif
}

}  // namespace halfstep::detail
