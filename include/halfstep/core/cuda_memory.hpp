// Where device memory comes from: what a resource is, one behind one type, and the two that CUDA itself offers.
#pragma once

#include <concepts>
#include <cstddef>
#include <memory>
#include <type_traits>

#include <cuda_runtime_api.h>

#include <halfstep/core/cuda_error.hpp>

namespace halfstep {

/// A source of device memory in the order of streams.
///
/// `allocate(bytes, stream)` returns memory that work given to `stream` from then on may use; throws cuda_error where there is
/// none. `deallocate(p, bytes, stream)` takes it back once the work given to `stream` until then is done; throws nothing. Neither
/// waits where it can be helped.
template <class R>
concept cuda_memory_resource = requires(R& resource, std::size_t bytes, void* p, cudaStream_t stream) {
  { resource.allocate(bytes, stream) } -> std::same_as<void*>;
  { resource.deallocate(p, bytes, stream) }
  noexcept->std::same_as<void>;
};

/// Memory for all streams: cudaMalloc and cudaFree, which waits until the device is idle.
struct plain_memory {
  void* allocate(std::size_t bytes, cudaStream_t) const {
    void* p = nullptr;
    check_cuda(cudaMalloc(&p, bytes), "halfstep: allocating device memory");
    return p;
  }

  void deallocate(void* p, std::size_t, cudaStream_t) const noexcept {
    static_cast<void>(cudaFree(p));  // what is wrong with the device comes out of the next call that can report it
  }
};

/// Memory of the device's default pool, in the order of a stream: cudaMallocAsync; `plain_memory` on a device without pools.
///
/// The pool gives memory back to the system whenever somebody waits, unless its release threshold says otherwise.
struct stream_ordered_memory {
  void* allocate(std::size_t bytes, cudaStream_t stream) const {
    void* p = nullptr;
    cudaError_t const status = cudaMallocAsync(&p, bytes, stream);
    if (is_without_pools(status)) return plain_memory{}.allocate(bytes, stream);
    check_cuda(status, "halfstep: allocating device memory");
    return p;
  }

  void deallocate(void* p, std::size_t bytes, cudaStream_t stream) const noexcept {
    if (is_without_pools(cudaFreeAsync(p, stream))) plain_memory{}.deallocate(p, bytes, stream);
  }

 private:
  static bool is_without_pools(cudaError_t status) {
    if (status != cudaErrorNotSupported) return false;
    if (cudaPeekAtLastError() == status) static_cast<void>(cudaGetLastError());
    return true;
  }
};

/// Any memory resource behind one type. Borrows it: it must outlive what is allocated. By default `stream_ordered_memory`.
class any_cuda_memory {
 public:
  any_cuda_memory() : any_cuda_memory(stream_ordered) {}

  template <cuda_memory_resource Resource>
  requires(!std::same_as<std::remove_const_t<Resource>, any_cuda_memory>) any_cuda_memory(Resource& resource)
      : resource_(const_cast<void*>(static_cast<void const*>(std::addressof(resource)))),
        allocate_(
            [](void* r, std::size_t bytes, cudaStream_t stream) { return static_cast<Resource*>(r)->allocate(bytes, stream); }),
        deallocate_([](void* r, void* p, std::size_t bytes, cudaStream_t stream) noexcept {
          static_cast<Resource*>(r)->deallocate(p, bytes, stream);
        }) {}

  void* allocate(std::size_t bytes, cudaStream_t stream) const { return allocate_(resource_, bytes, stream); }
  void deallocate(void* p, std::size_t bytes, cudaStream_t stream) const noexcept { deallocate_(resource_, p, bytes, stream); }

 private:
  static constexpr stream_ordered_memory stream_ordered{};

  void* resource_;
  void* (*allocate_)(void* resource, std::size_t bytes, cudaStream_t stream);
  void (*deallocate_)(void* resource, void* p, std::size_t bytes, cudaStream_t stream) noexcept;
};

}  // namespace halfstep
