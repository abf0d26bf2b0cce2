// An `mbarrier`: phases that complete when all arrivals and all bytes announced have come.
#pragma once

#include <cstdint>

#include "clocks.hpp"

namespace ptx {

/// The state that a kernel keeps in 64 bits of shared memory, kept here instead.
struct memory_barrier {
  std::int64_t expected = 0;  ///< arrivals a phase
  std::int64_t pending = 0;   ///< arrivals that this phase still waits for
  std::int64_t bytes = 0;     ///< announced and not come
  std::uint64_t phase = 0;    ///< how many have completed
  clocks::message arriving;   ///< what those know who arrived in this phase
  clocks::message completed;  ///< what those knew who arrived in the last one
};

}  // namespace ptx
