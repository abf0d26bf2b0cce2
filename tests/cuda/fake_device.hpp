// What plays the device behind the fake runtime: memory, copies and kernels.
#pragma once

#include <cstddef>

#include <cuda_runtime_api.h>
#include <vector_types.h>

/// A device of the host's. The one that a program is linked with is `device()`.
class fake_device {
 public:
  virtual ~fake_device() = default;

  /// Returns memory that `release` gives back, or null where there is not so much.
  virtual void* allocate(std::size_t bytes) = 0;
  /// Returns memory of the host that kernels may use.
  virtual void* allocate_pinned(std::size_t bytes) { return allocate(bytes); }
  virtual void release(void* p) = 0;
  /// Either side may be the host's or the device's.
  virtual cudaError_t copy(void* to, void const* from, std::size_t bytes) = 0;
  virtual cudaError_t fill(void* p, int value, std::size_t bytes) = 0;

  /// Takes what the compiler has put into the program: before `main`, for each of its parts.
  virtual void load(void const* fat_binary) = 0;
  /// Says which kernel the handle of a launch means.
  virtual void name_kernel(void const* handle, char const* name) = 0;
  virtual cudaError_t launch(void const* handle, dim3 grid, dim3 block, std::size_t shared, void** arguments) = 0;

  /// Returns what was wrong with kernels that have run.
  virtual cudaError_t status() const = 0;
  /// Returns the compute capability, such as 90.
  virtual int capability() const = 0;
};

/// Returns the device of this program: host_device.cpp has one without kernels, tests/ptx one that executes PTX.
fake_device& device();
