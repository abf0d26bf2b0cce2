// A file in memory.
#pragma once

#include <cerrno>
#include <cstddef>
#include <span>
#include <utility>

#include <sys/mman.h>

#include <halfstep/core/error.hpp>
#include <halfstep/file/descriptor.hpp>
#include <halfstep/file/input_file.hpp>

namespace halfstep::file {

/// A file's bytes in memory. What is written there stays there: the file keeps its bytes, and nobody else sees others.
class file_mapping {
 public:
  /// Maps the whole of `file`, which may be closed afterwards; read-only where the system grants no more memory to a process that
  /// might change all of it. Throws io_error (transfer).
  explicit file_mapping(input_file const& file) : size_(static_cast<std::size_t>(file.size())) {
    if (size_ == 0) return;
    void* data = ::mmap(nullptr, size_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_NORESERVE, file.file_.get(), 0);
    is_writable_ = data != MAP_FAILED;
    if (!is_writable_) data = ::mmap(nullptr, size_, PROT_READ, MAP_PRIVATE, file.file_.get(), 0);
    if (data == MAP_FAILED) file.fail(io_stage::transfer, "cannot map", detail::refused_by_system(errno, "read it instead"));
    data_ = data;
  }
  file_mapping(file_mapping&& other) noexcept
      : data_(std::exchange(other.data_, nullptr)), size_(std::exchange(other.size_, 0)), is_writable_(other.is_writable_) {}
  file_mapping& operator=(file_mapping&& other) noexcept {
    std::swap(data_, other.data_);
    std::swap(size_, other.size_);
    std::swap(is_writable_, other.is_writable_);
    return *this;
  }
  ~file_mapping() {
    if (data_ != nullptr) ::munmap(data_, size_);
  }

  std::span<std::byte const> bytes() const { return {static_cast<std::byte const*>(data_), size_}; }

  /// Returns the same, for changes that only this process sees; empty where they may only be read.
  std::span<std::byte> own_bytes() { return {static_cast<std::byte*>(data_), is_writable_ ? size_ : 0}; }

 private:
  void* data_ = nullptr;
  std::size_t size_ = 0;
  bool is_writable_ = false;
};

}  // namespace halfstep::file
