// Scratch memory that tasks borrow, so that a job allocates once a thread and not once a task.
#pragma once

#include <mutex>
#include <utility>
#include <vector>

#include <halfstep/core/buffer.hpp>
#include <halfstep/core/extents.hpp>

namespace halfstep {

/// Buffers of equal size that are handed out and taken back; there are never more than were borrowed at once.
template <class T>
class scratch_pool {
 public:
  /// A borrowed buffer; it goes back when this is destroyed. The pool must outlive it.
  class lease {
   public:
    explicit lease(scratch_pool& pool) : pool_(pool), memory_(pool.take()) {}
    lease(lease const&) = delete;
    lease& operator=(lease const&) = delete;
    ~lease() { pool_.put(std::move(memory_)); }

    T* data() { return memory_.data(); }

   private:
    scratch_pool& pool_;
    host_buffer<T> memory_;
  };

  /// Buffers will have `size` elements.
  explicit scratch_pool(index_t size) : size_(size) {}

 private:
  host_buffer<T> take() {
    {
      std::scoped_lock const lock(guard_);
      if (!free_.empty()) {
        host_buffer<T> memory = std::move(free_.back());
        free_.pop_back();
        return memory;
      }
      free_.reserve(free_.capacity() + 1);  // so that giving back never allocates
    }
    return host_buffer<T>(size_);
  }

  void put(host_buffer<T> memory) noexcept {
    std::scoped_lock const lock(guard_);
    free_.push_back(std::move(memory));
  }

  index_t size_;
  std::mutex guard_;
  std::vector<host_buffer<T>> free_;
};

}  // namespace halfstep
