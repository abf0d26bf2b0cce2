// What a kernel did, counted over its launches.
#pragma once

#include <cstdint>
#include <span>
#include <string>

namespace ptx {

/// One lane's part of a request to memory.
struct lane_access {
  std::uint64_t address;
  int bytes;
};

/// Requests to global memory: one a warp instruction.
struct global_counters {
  std::uint64_t requests = 0;
  std::uint64_t sectors = 0;  ///< of 32 bytes, touched by a request
  std::uint64_t bytes = 0;    ///< asked for by the lanes

  /// Counts a request. Precondition: no access crosses a boundary of its own size.
  void add(std::span<lane_access const> accesses);
  /// Returns how much of the sectors moved was asked for, at most 32 but where lanes read the same bytes.
  double bytes_a_sector() const { return sectors ? static_cast<double>(bytes) / static_cast<double>(sectors) : 0.0; }
};

/// Requests to shared memory.
struct shared_counters {
  std::uint64_t requests = 0;    ///< 32 lanes of 4 bytes, 16 of 8, 8 of 16: what one pass without conflicts serves
  std::uint64_t wavefronts = 0;  ///< passes needed: the most different words that a request wants of one bank

  void add(std::span<lane_access const> accesses);
  double wavefronts_a_request() const { return requests ? static_cast<double>(wavefronts) / static_cast<double>(requests) : 0.0; }
};

/// Of one kernel.
struct counters {
  std::uint64_t launches = 0;
  std::uint64_t blocks = 0;
  std::uint64_t warp_instructions = 0;
  std::uint64_t thread_instructions = 0;
  std::uint64_t divergent = 0;  ///< warp instructions that not all living lanes ran together
  std::uint64_t barriers = 0;   ///< that opened
  std::uint64_t atomics = 0;    ///< by thread
  global_counters loads;
  global_counters stores;
  shared_counters shared;

  std::string text() const;
};

}  // namespace ptx
