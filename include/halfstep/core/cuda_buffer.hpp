// Device memory that owns itself.
#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <optional>
#include <type_traits>

#include <cuda_runtime_api.h>

#include <halfstep/core/buffer.hpp>
#include <halfstep/core/cuda_error.hpp>

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
  explicit buffer(index_t size) : data_(allocate(size, std::nullopt)), size_(size) {}

  /// Allocates in the order of `stream`: work given to it from now on may use the memory, and destruction frees the memory
  /// once the work given to it until then is done. Neither waits. `stream` must outlive the buffer.
  buffer(index_t size, cudaStream_t stream) : data_(allocate(size, stream), release{stream}), size_(size) {}

  T* data() const { return data_.get(); }
  index_t size() const { return size_; }

  /// Returns the elements as a matrix. Throws shape_error unless the sizes agree.
  device_view<T> view(extents2 e) const {
    require_extents({1, e.count()}, {1, size_}, "halfstep: a buffer viewed as a matrix");
    return {data(), e};
  }

 private:
  struct release {
    std::optional<cudaStream_t> stream;

    void operator()(T* p) const {
      // A destructor cannot report; what is wrong with the device comes out of the next call that can.
      static_cast<void>(stream ? cudaFreeAsync(p, *stream) : cudaFree(p));
    }
  };

  static T* allocate(index_t size, std::optional<cudaStream_t> stream) {
    if (size == 0) return nullptr;
    if (size < 0 || static_cast<std::uint64_t>(size) > std::numeric_limits<std::size_t>::max() / 2 / sizeof(T))
      throw cuda_error(cudaErrorMemoryAllocation, "halfstep: allocating device memory");
    std::size_t const bytes = static_cast<std::size_t>(size) * sizeof(T);
    void* p = nullptr;
    check_cuda(stream ? cudaMallocAsync(&p, bytes, *stream) : cudaMalloc(&p, bytes), "halfstep: allocating device memory");
    return static_cast<T*>(p);
  }

  std::unique_ptr<T, release> data_;
  index_t size_ = 0;
};

/// Elements in device memory.
template <class T>
using device_buffer = buffer<T, device_space>;

}  // namespace halfstep
