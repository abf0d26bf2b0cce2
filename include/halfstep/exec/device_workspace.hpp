// Device memory that a call cuts its scratch out of, so that it need not allocate.
#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <string>

#include <halfstep/core/error.hpp>
#include <halfstep/core/extents.hpp>

namespace halfstep {

/// Bytes in device memory, borrowed: whoever calls `.._async` with it lends it until the work queued so is done.
///
/// How many a call needs is what `workspace_bytes` returns for it. Each piece starts at a multiple of `alignment` bytes.
class device_workspace {
 public:
  static constexpr std::size_t alignment = 64;

  /// `data` is a multiple of 16, as everything that CUDA allocates is; value_error where it is not.
  device_workspace(void* data, std::size_t bytes) : data_(static_cast<std::byte*>(data)), bytes_(bytes) {
    if (reinterpret_cast<std::uintptr_t>(data) % 16 != 0)
      throw value_error(
          stated("workspace.alignment",
                 "halfstep: a workspace starts at an address that is no multiple of 16: kernels load 16 bytes at once"));
  }

  /// Returns one that has no memory and counts what is taken from it.
  static device_workspace counting() {
    device_workspace counter(nullptr, std::numeric_limits<std::size_t>::max());
    counter.is_counting_ = true;
    return counter;
  }

  /// Returns `count` elements that nobody else has. Throws value_error where less is left.
  template <class T>
  T* take(index_t count) {
    std::size_t const needed = (static_cast<std::size_t>(count) * sizeof(T) + alignment - 1) / alignment * alignment;
    if (needed > bytes_ - used_)
      throw value_error(stated("workspace.too_small",
                               "halfstep: a workspace of {bytes} bytes is too small: {needed} and more are needed, "
                               "workspace_bytes says how many",
                               {{"bytes", bytes_}, {"needed", used_ + needed}}));
    std::byte* const start = is_counting_ ? nullptr : data_ + used_;
    used_ += needed;
    return reinterpret_cast<T*>(start);
  }

  /// Returns how many bytes have been taken.
  std::size_t used() const { return used_; }

 private:
  std::byte* data_;
  std::size_t bytes_;
  std::size_t used_ = 0;
  bool is_counting_ = false;
};

}  // namespace halfstep
