// Device memory that is kept when it is given back, for who asks for as much again.
#pragma once

#include <algorithm>
#include <cstddef>
#include <iterator>
#include <list>
#include <mutex>

#include <cuda_runtime_api.h>

#include <halfstep/core/cuda_error.hpp>
#include <halfstep/core/cuda_memory.hpp>

namespace halfstep {

/// A memory resource over `stream_ordered_memory` that keeps up to `cap` bytes of what comes back, and lets go first of what was
/// used longest ago.
///
/// A block is handed out again to its own stream alone, where the order of work makes that safe without waiting. Sizes are
/// rounded up by at most an eighth, so that shapes which differ little share blocks. Serves several threads. Streams must outlive
/// the object or be told to `forget`. A graph that captured a block goes on using it: captured work takes a `device_workspace`.
class pooled_memory {
 public:
  explicit pooled_memory(std::size_t cap) : cap_(cap) {}
  pooled_memory(pooled_memory const&) = delete;
  pooled_memory& operator=(pooled_memory const&) = delete;
  ~pooled_memory() { release_down_to(0); }

  /// Throws cuda_error where there is too little memory even after everything kept was given back.
  void* allocate(std::size_t bytes, cudaStream_t stream) {
    std::size_t const size = rounded(bytes);
    std::scoped_lock const lock(guard_);
    auto const fits = [&](block const& kept) { return kept.size == size && kept.stream == stream; };
    if (auto const found = std::find_if(kept_.begin(), kept_.end(), fits); found != kept_.end()) {
      void* const p = found->data;
      held_ -= size;
      kept_.erase(found);
      return p;
    }
    try {
      return stream_ordered_memory{}.allocate(size, stream);
    } catch (cuda_error const& e) {
      if (e.code() != cudaErrorMemoryAllocation || kept_.empty()) throw;
    }
    release_down_to(0);
    return stream_ordered_memory{}.allocate(size, stream);
  }

  void deallocate(void* p, std::size_t bytes, cudaStream_t stream) noexcept {
    std::size_t const size = rounded(bytes);
    std::scoped_lock const lock(guard_);
    try {
      kept_.push_front({p, size, stream});
      held_ += size;
    } catch (...) {  // no host memory to remember it by
      stream_ordered_memory{}.deallocate(p, size, stream);
    }
    release_down_to(cap_);
  }

  /// Gives back, in the order of `stream`, all that is kept of it: before it is destroyed.
  void forget(cudaStream_t stream) {
    std::scoped_lock const lock(guard_);
    for (auto at = kept_.begin(); at != kept_.end();) at = at->stream == stream ? release(at) : std::next(at);
  }

  /// Returns how many bytes are kept for who asks next.
  std::size_t held() const {
    std::scoped_lock const lock(guard_);
    return held_;
  }

 private:
  struct block {
    void* data;
    std::size_t size;
    cudaStream_t stream;
  };
  using blocks = std::list<block>;

  /// Returns the next multiple of an eighth of the power of two below, and of 512.
  static std::size_t rounded(std::size_t bytes) {
    std::size_t step = 512;
    while (step * 16 <= bytes) step *= 2;
    return (bytes + step - 1) / step * step;
  }

  blocks::iterator release(blocks::iterator at) noexcept {
    stream_ordered_memory{}.deallocate(at->data, at->size, at->stream);
    held_ -= at->size;
    return kept_.erase(at);
  }

  void release_down_to(std::size_t bytes) noexcept {
    while (held_ > bytes) release(std::prev(kept_.end()));
  }

  std::size_t const cap_;
  mutable std::mutex guard_;
  blocks kept_;  ///< what came back last in front
  std::size_t held_ = 0;
};

}  // namespace halfstep
