// A CUDA runtime without a device: whatever `device()` is plays it, and any call can be made to fail.
#pragma once

#include <cstddef>
#include <limits>
#include <map>

#include <cuda_runtime_api.h>

/// What the fake runtime has been asked for.
struct fake_runtime {
  int calls = 0;                ///< of functions that can fail
  int failing_call = 0;         ///< which of them fails, counted from 1; 0: none
  bool failed_release = false;  ///< whether the one that failed gave something back
  int launches = 0;
  int allocations = 0;        ///< that were asked for, and memory that was given back
  int waits = 0;              ///< of the host
  int unfinished = 0;         ///< launches and copies since the host last waited
  bool is_capturing = false;  ///< a stream: nothing may wait, and cudaMalloc and cudaFree are errors
  bool has_pools = true;      ///< whether the device knows cudaMallocAsync
  std::size_t limit = std::numeric_limits<std::size_t>::max();  ///< bytes of device memory
  int wrong_releases = 0;                                       ///< of what was not there: never given, or given back before
  cudaError_t last_error = cudaSuccess;
  std::map<void*, std::size_t> memory;
  std::map<cudaStream_t, int> streams;  ///< and their devices
  int device = 0;                       ///< the current one of two
  bool records = true;                  ///< whether the failing call tells `last_error`
};

/// Returns the state, which a test sets to `{}` before it starts.
fake_runtime& fake();
