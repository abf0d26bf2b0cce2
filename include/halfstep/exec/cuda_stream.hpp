// The executor of one CUDA device: work in the order of a stream.
#pragma once

#include <cstddef>
#include <memory>
#include <type_traits>

#include <cuda_runtime_api.h>

#include <halfstep/core/cuda_buffer.hpp>
#include <halfstep/core/cuda_error.hpp>
#include <halfstep/core/extents.hpp>
#include <halfstep/core/space.hpp>

namespace halfstep {

/// Runs device kernels in the order of a stream that somebody else owns, on the device that is current when they are called.
///
/// Kernels return when their work is queued; `wait()` returns when it is done. Results do not depend on the stream.
class cuda_stream {
 public:
  using space = device_space;

  /// The default stream.
  cuda_stream() = default;

  /// The stream `handle`, of the current device.
  explicit cuda_stream(cudaStream_t handle) : handle_(handle) {}

  cudaStream_t handle() const { return handle_; }

  /// Returns when everything queued so far is done. Throws cuda_error for what failed on the way.
  void wait() const { check_cuda(cudaStreamSynchronize(handle_), "halfstep: waiting for the device"); }

  /// Returns the compute capability of the current device, such as 90. Throws cuda_error where there is no device.
  int capability() const {
    int device = 0;
    int major = 0;
    int minor = 0;
    check_cuda(cudaGetDevice(&device), "halfstep: asking for the current device");
    check_cuda(cudaDeviceGetAttribute(&major, cudaDevAttrComputeCapabilityMajor, device),
               "halfstep: asking for the compute capability");
    check_cuda(cudaDeviceGetAttribute(&minor, cudaDevAttrComputeCapabilityMinor, device),
               "halfstep: asking for the compute capability");
    return major * 10 + minor;
  }

  /// Returns `count` uninitialized elements, allocated and later freed in stream order. Throws cuda_error.
  template <class T>
  device_buffer<T> allocate(index_t count) const {
    return device_buffer<T>(count, handle_);
  }

  /// Copies `count` elements from device memory as they are when everything queued so far is done; waits. Throws cuda_error.
  template <class T>
  void read(T const* from, T* to, index_t count) const {
    check_cuda(cudaMemcpyAsync(to, from, static_cast<std::size_t>(count) * sizeof(T), cudaMemcpyDeviceToHost, handle_),
               "halfstep: copying from the device");
    wait();
  }

  /// Copies `count` elements to device memory after everything queued so far; waits. Throws cuda_error.
  template <class T>
  void write(T const* from, T* to, index_t count) const {
    check_cuda(cudaMemcpyAsync(to, from, static_cast<std::size_t>(count) * sizeof(T), cudaMemcpyHostToDevice, handle_),
               "halfstep: copying to the device");
    wait();
  }

 private:
  cudaStream_t handle_ = nullptr;
};

/// A stream of its own on the current device; it does not wait for the default stream. Moved, never copied.
class owned_cuda_stream {
 public:
  /// Creates the stream. Throws cuda_error.
  owned_cuda_stream() : handle_(create()) {}

  /// Returns the executor, valid as long as this object lives.
  cuda_stream get() const { return cuda_stream(handle_.get()); }

 private:
  struct release {
    void operator()(cudaStream_t handle) const { static_cast<void>(cudaStreamDestroy(handle)); }
  };

  static cudaStream_t create() {
    cudaStream_t handle = nullptr;
    check_cuda(cudaStreamCreateWithFlags(&handle, cudaStreamNonBlocking), "halfstep: creating a stream");
    return handle;
  }

  std::unique_ptr<std::remove_pointer_t<cudaStream_t>, release> handle_;
};

}  // namespace halfstep
