// A CUDA runtime without a device: memory comes from the host, kernels do nothing, and any call can be made to fail.
#pragma once

#include <cstddef>
#include <map>
#include <set>

#include <cuda_runtime_api.h>

/// What the fake runtime has been asked for.
struct fake_runtime {
  int calls = 0;                ///< of functions that can fail
  int failing_call = 0;         ///< which of them fails, counted from 1; 0: none
  bool failed_release = false;  ///< whether the one that failed gave something back
  int launches = 0;
  int wrong_releases = 0;  ///< of what was not there: never given, or given back before
  cudaError_t last_error = cudaSuccess;
  std::map<void*, std::size_t> memory;
  std::set<cudaStream_t> streams;
};

/// Returns the state, which a test sets to `{}` before it starts.
fake_runtime& fake();
