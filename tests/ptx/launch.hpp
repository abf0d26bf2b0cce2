// What all blocks of a launch share.
#pragma once

#include <array>
#include <cstdint>
#include <random>
#include <string>
#include <vector>

#include "complaints.hpp"
#include "counters.hpp"
#include "global_memory.hpp"
#include "operation.hpp"
#include "program.hpp"

namespace ptx {

/// Grid, block and dynamic shared memory, as a launch gives them.
struct launch_shape {
  std::array<unsigned, 3> grid{1, 1, 1};
  std::array<unsigned, 3> block{1, 1, 1};
  std::size_t dynamic_shared = 0;

  unsigned threads() const { return block[0] * block[1] * block[2]; }
  std::uint64_t blocks() const { return std::uint64_t{grid[0]} * grid[1] * grid[2]; }
};

/// A kernel, ready to run.
struct executable {
  kernel text;
  std::vector<operation> operations;
};

/// A kernel in execution.
struct launch {
  executable const& program;
  launch_shape shape;
  std::vector<unsigned char> const& parameters;
  global_memory& memory;
  complaints& complaints_of_all;
  counters& counts;
  std::mt19937_64& random;
  std::uint32_t first_block;  ///< the number of this launch's first block among those of all launches
  bool is_shuffled;           ///< blocks and warps in random order; else one after the other
};

}  // namespace ptx
