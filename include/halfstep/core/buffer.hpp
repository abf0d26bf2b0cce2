// Memory that owns itself, typed by where it lies.
#pragma once

#include <cstddef>
#include <limits>
#include <memory>
#include <new>
#include <span>
#include <type_traits>
#include <utility>

#include <halfstep/core/extents.hpp>
#include <halfstep/core/matrix_view.hpp>
#include <halfstep/core/space.hpp>

namespace halfstep {

/// Uninitialized elements of `T` in the memory `Space`; moved, never copied. The device one is in cuda_buffer.hpp.
template <class T, class Space>
class buffer;

/// Uninitialized elements of `T` in host memory, aligned to 64 bytes unless they are borrowed. Throws std::bad_alloc.
///
/// Elements of a constant buffer are constant, as in a std::vector.
template <class T>
class buffer<T, host_space> {
  static_assert(std::is_trivially_copyable_v<T>, "halfstep: a buffer holds plain data");

 public:
  static constexpr std::size_t alignment = 64;

  buffer() = default;

  explicit buffer(index_t size) : data_(allocate(size)), size_(size) {}

  /// Borrows `size` elements at `data`, aligned as `T` is, which live as long as `lender` does; this keeps it.
  buffer(T* data, index_t size, std::shared_ptr<void const> lender) : data_(data, release{std::move(lender)}), size_(size) {}

  /// Returns whether the elements are somebody else's memory.
  bool is_borrowed() const { return data_.get_deleter().lender != nullptr; }

  T* data() { return data_.get(); }
  T const* data() const { return data_.get(); }
  index_t size() const { return size_; }
  T& operator[](index_t i) { return data()[i]; }
  T const& operator[](index_t i) const { return data()[i]; }
  T* begin() { return data(); }
  T* end() { return data() + size_; }
  T const* begin() const { return data(); }
  T const* end() const { return data() + size_; }

  /// Returns the elements as a matrix. Throws shape_error unless the sizes agree.
  host_view<T> view(extents2 e) {
    require_size(e);
    return {data(), e};
  }
  host_view<T const> view(extents2 e) const {
    require_size(e);
    return {data(), e};
  }

 private:
  void require_size(extents2 e) const { require_extents({1, e.count()}, {1, size_}, "halfstep: a buffer viewed as a matrix"); }

  struct release {
    std::shared_ptr<void const> lender = nullptr;

    void operator()(T* p) const {
      if (lender == nullptr) ::operator delete (p, std::align_val_t{alignment});
    }
  };

  static T* allocate(index_t size) {
    if (size < 0 || static_cast<std::uint64_t>(size) > std::numeric_limits<std::size_t>::max() / 2 / sizeof(T))
      throw std::bad_alloc();
    return static_cast<T*>(::operator new (static_cast<std::size_t>(size) * sizeof(T), std::align_val_t{alignment}));
  }

  std::unique_ptr<T, release> data_;
  index_t size_ = 0;
};

/// Elements in host memory.
template <class T>
using host_buffer = buffer<T, host_space>;

}  // namespace halfstep
