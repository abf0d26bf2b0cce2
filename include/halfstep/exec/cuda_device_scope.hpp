// Which CUDA device is the current one, for as long as it must be.
#pragma once

#include <cuda_runtime_api.h>

#include <halfstep/core/cuda_error.hpp>

namespace halfstep {

/// Makes a device current on this thread while the object lives, and afterwards the one that was.
class cuda_device_scope {
 public:
  /// `device` counts as the runtime does; below 0: the current one stays. Throws cuda_error.
  explicit cuda_device_scope(int device) {
    if (device < 0) return;
    int current = 0;
    check_cuda(cudaGetDevice(&current), "halfstep: asking for the current device");
    if (current == device) return;
    check_cuda(cudaSetDevice(device), "halfstep: changing to the device of a stream");
    before_ = current;
  }
  cuda_device_scope(cuda_device_scope const&) = delete;
  cuda_device_scope& operator=(cuda_device_scope const&) = delete;
  ~cuda_device_scope() {
    if (before_ >= 0) static_cast<void>(cudaSetDevice(before_));
  }

  /// Returns the device of `ex`, below 0 where it names none.
  template <class Executor>
  static int of(Executor const& ex) {
    if constexpr (requires { ex.device(); })
      return ex.device();
    else
      return -1;
  }

 private:
  int before_ = -1;
};

}  // namespace halfstep
