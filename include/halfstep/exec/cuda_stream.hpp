// The executor of one CUDA device: work in the order of a stream.
#pragma once

#include <cstddef>
#include <memory>
#include <type_traits>

#include <cuda_runtime_api.h>

#include <halfstep/core/cuda_buffer.hpp>
#include <halfstep/core/cuda_error.hpp>
#include <halfstep/core/cuda_memory.hpp>
#include <halfstep/core/extents.hpp>
#include <halfstep/core/space.hpp>
#include <halfstep/exec/cuda_device_scope.hpp>

namespace halfstep {

/// Runs device kernels in the order of a stream that somebody else owns, on the stream's device, whichever is current when they
/// are called, and which stays so.
///
/// Kernels return when their work is queued; `wait()` returns when it is done. Results do not depend on the stream.
class cuda_stream {
 public:
  using space = device_space;

  /// The default stream of the device that is current when it is used.
  cuda_stream() = default;

  /// The stream `handle`, of the device that is current now. Throws cuda_error.
  explicit cuda_stream(cudaStream_t handle) : cuda_stream(handle, current_device()) {}

  /// The stream `handle` of `device`, counted as the runtime does.
  cuda_stream(cudaStream_t handle, int device) : handle_(handle), device_(device) {}

  cudaStream_t handle() const { return handle_; }

  /// Returns the stream's device; below 0: the current one.
  int device() const { return device_; }

  /// Returns when everything queued so far is done. Throws cuda_error for what failed on the way.
  void wait() const { check_cuda(cudaStreamSynchronize(handle_), "halfstep: waiting for the device"); }

  /// Returns the compute capability of the stream's device, such as 90. Throws cuda_error where there is no device.
  int capability() const {
    int const device = device_ < 0 ? current_device() : device_;
    int major = 0;
    int minor = 0;
    check_cuda(cudaDeviceGetAttribute(&major, cudaDevAttrComputeCapabilityMajor, device),
               "halfstep: asking for the compute capability");
    check_cuda(cudaDeviceGetAttribute(&minor, cudaDevAttrComputeCapabilityMinor, device),
               "halfstep: asking for the compute capability");
    return major * 10 + minor;
  }

  /// Returns this executor with memory from `memory`, which must outlive what is allocated with it.
  cuda_stream with(any_cuda_memory memory) const {
    cuda_stream other = *this;
    other.memory_ = memory;
    return other;
  }

  /// Returns `count` uninitialized elements of the executor's memory, allocated and later given back in stream order. Throws
  /// cuda_error.
  template <class T>
  device_buffer<T> allocate(index_t count) const {
    cuda_device_scope const scope(device_);
    return device_buffer<T>(count, handle_, memory_);
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

  /// Returns which device is current. Throws cuda_error where there is none.
  static int current_device() {
    int device = 0;
    check_cuda(cudaGetDevice(&device), "halfstep: asking for the current device");
    return device;
  }

 private:
  cudaStream_t handle_ = nullptr;
  int device_ = -1;
  any_cuda_memory memory_;
};

/// A stream of its own on the current device; it does not wait for the default stream. Moved, never copied.
class owned_cuda_stream {
 public:
  /// Creates the stream. Throws cuda_error.
  owned_cuda_stream() : device_(cuda_stream::current_device()), handle_(create()) {}

  /// Returns the executor, valid as long as this object lives.
  cuda_stream get() const { return {handle_.get(), device_}; }

 private:
  struct release {
    void operator()(cudaStream_t handle) const { static_cast<void>(cudaStreamDestroy(handle)); }
  };

  static cudaStream_t create() {
    cudaStream_t handle = nullptr;
    check_cuda(cudaStreamCreateWithFlags(&handle, cudaStreamNonBlocking), "halfstep: creating a stream");
    return handle;
  }

  int device_;
  std::unique_ptr<std::remove_pointer_t<cudaStream_t>, release> handle_;
};

}  // namespace halfstep
