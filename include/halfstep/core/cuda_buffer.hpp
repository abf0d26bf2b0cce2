// Device memory that owns itself.
#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <type_traits>

#include <cuda_runtime_api.h>

#include <halfstep/core/buffer.hpp>
#include <halfstep/core/cuda_error.hpp>
#include <halfstep/core/cuda_memory.hpp>

namespace halfstep {

/// Uninitialized elements of `T` in the memory of the device that was current at construction.
///
/// Too little memory is cuda_error with code cudaErrorMemoryAllocation, and nothing is allocated.
template <class T>
class buffer<T, device_space> {
  static_assert(std::is_trivially_copyable_v<T>, "halfstep: a buffer holds plain data");

 public:
  buffer() = default;

  /// Allocates for every stream. Destruction waits until the device is idle.
  explicit buffer(index_t size) : buffer(size, nullptr, any_cuda_memory(plain)) {}

  /// Allocates from `memory` in the order of `stream`: work given to it from now on may use the elements, and they go back once
  /// the work given to it until destruction is done. Neither waits, unless `memory` does. Stream and memory must outlive the
  /// buffer.
  buffer(index_t size, cudaStream_t stream, any_cuda_memory memory = {})
      : data_(allocate(size, stream, memory), release{memory, stream, bytes_of(size)}), size_(size) {}

  T* data() const { return data_.get(); }
  index_t size() const { return size_; }

  /// Returns the elements as a matrix. Throws shape_error unless the sizes agree.
  device_view<T> view(extents2 e) const {
    require_extents({1, e.count()}, {1, size_}, "halfstep: a buffer viewed as a matrix");
    return {data(), e};
  }

 private:
  static constexpr plain_memory plain{};

  struct release {
    any_cuda_memory memory;
    cudaStream_t stream = nullptr;
    std::size_t bytes = 0;

    void operator()(T* p) const { memory.deallocate(p, bytes, stream); }
  };

  static std::size_t bytes_of(index_t size) { return static_cast<std::size_t>(size) * sizeof(T); }

  static T* allocate(index_t size, cudaStream_t stream, any_cuda_memory const& memory) {
    if (size == 0) return nullptr;
    if (size < 0 || static_cast<std::uint64_t>(size) > std::numeric_limits<std::size_t>::max() / 2 / sizeof(T))
      throw cuda_error(cudaErrorMemoryAllocation, "halfstep: allocating device memory");
    return static_cast<T*>(memory.allocate(bytes_of(size), stream));
  }

  std::unique_ptr<T, release> data_;
  index_t size_ = 0;
};

/// Elements in device memory.
template <class T>
using device_buffer = buffer<T, device_space>;

}  // namespace halfstep
