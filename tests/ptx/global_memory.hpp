// The memory of the device: allocations that know their bounds and what was written.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>

#include "shadow.hpp"

namespace ptx {

/// One piece of memory, at the host address that kernels get for its address.
class allocation {
 public:
  /// Aligned as cudaMalloc aligns, to 256 bytes, and followed by bytes that belong to nobody. Throws std::bad_alloc.
  explicit allocation(std::size_t bytes);
  /// Memory of the host that kernels may use; everything in it counts as written.
  allocation(void* host, std::size_t bytes);

  std::uintptr_t begin() const { return begin_; }
  std::size_t bytes() const { return history.history.size(); }
  bool holds(std::uintptr_t address, std::size_t n) const { return address >= begin_ && address + n <= begin_ + bytes(); }

  shadow history;

 private:
  struct release {
    void operator()(void* p) const;
  };
  std::unique_ptr<void, release> own_;
  std::uintptr_t begin_;
};

/// All allocations of a device.
class global_memory {
 public:
  /// Returns uninitialized memory, filled with a pattern; of no bytes too it is a place of its own. Throws std::bad_alloc.
  void* allocate(std::size_t bytes);
  void adopt(void* host, std::size_t bytes);
  /// Returns whether `p` was the start of an allocation.
  bool release(void const* p);

  /// Returns the allocation that holds all the bytes, or null.
  allocation* find(std::uintptr_t address, std::size_t bytes) const;
  bool is_initialized(void const* p, std::size_t bytes) const;
  void mark_initialized(void const* p, std::size_t bytes);

 private:
  std::map<std::uintptr_t, std::unique_ptr<allocation>> by_address_;
};

}  // namespace ptx
