// Copies to shared memory that a kernel starts and waits for later.
#pragma once

#include <cstdint>
#include <vector>

#include "program.hpp"

namespace ptx {

/// One `cp.async` of a lane.
struct async_copy {
  std::uint64_t to;    ///< in shared memory
  std::uint64_t from;  ///< in global memory
  int bytes;
  int given;  ///< bytes that are read; the rest are zeros
  instruction const* by;
};

/// The copies of one lane. None has happened until it is waited for: who does not wait finds what was there before.
struct async_copies {
  std::vector<async_copy> open;                 ///< not in a group yet
  std::vector<std::vector<async_copy>> groups;  ///< committed, the oldest first
};

}  // namespace ptx
