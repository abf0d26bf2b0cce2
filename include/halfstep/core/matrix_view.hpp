// Matrices that somebody else owns, typed by the memory they lie in.
#pragma once

#include <string>
#include <type_traits>

#include <halfstep/core/compiler.hpp>
#include <halfstep/core/error.hpp>
#include <halfstep/core/extents.hpp>
#include <halfstep/core/space.hpp>

namespace halfstep {

/// A row-major matrix of `T` in the memory `Space`, without ownership; it may be whole rows cut from a tensor.
///
/// A view knows where its first row lies in its tensor, so that a rounding policy sees the same element numbers however
/// the tensor is cut. Copying a view copies no element.
template <class T, class Space>
class matrix_view {
 public:
  using value_type = std::remove_const_t<T>;
  using space = Space;

  constexpr matrix_view() = default;

  /// Views `extents` elements from `data` on; its rows are contiguous and `first_row` of the tensor comes first.
  HALFSTEP_HD constexpr matrix_view(T* data, extents2 extents, index_t first_row = 0)
      : data_(data), extents_(extents), first_row_(first_row) {}

  /// A view of constant elements is made from one of mutable elements.
  template <class Mutable>
  requires(!std::is_const_v<Mutable> && std::is_same_v<Mutable const, T>) HALFSTEP_HD
      constexpr matrix_view(matrix_view<Mutable, Space> other)
      : data_(other.data()), extents_(other.extents()), first_row_(other.first_row()) {}

  HALFSTEP_HD constexpr T* data() const { return data_; }
  HALFSTEP_HD constexpr extents2 extents() const { return extents_; }
  HALFSTEP_HD constexpr index_t rows() const { return extents_.rows; }
  HALFSTEP_HD constexpr index_t columns() const { return extents_.columns; }

  /// Returns the first element of `row`.
  HALFSTEP_HD constexpr T* row(index_t row) const { return data_ + row * extents_.columns; }

  HALFSTEP_HD constexpr T& operator()(index_t row, index_t column) const { return data_[row * extents_.columns + column]; }

  /// Returns the row of the tensor that is row 0 here.
  HALFSTEP_HD constexpr index_t first_row() const { return first_row_; }

  /// Returns the place in the whole tensor, counted row by row, of the element at (`row`, `column`) of this view.
  HALFSTEP_HD constexpr index_t index_in_tensor(index_t row, index_t column) const {
    return (first_row_ + row) * extents_.columns + column;
  }

  /// Returns `count` whole rows from `first` on. Precondition: they lie inside.
  HALFSTEP_HD constexpr matrix_view rows(index_t first, index_t count) const {
    return {data_ + first * extents_.columns, {count, extents_.columns}, first_row_ + first};
  }

 private:
  T* data_ = nullptr;
  extents2 extents_{};
  index_t first_row_ = 0;
};

/// A matrix in host memory.
template <class T>
using host_view = matrix_view<T, host_space>;

/// A matrix in device memory.
template <class T>
using device_view = matrix_view<T, device_space>;

/// Throws shape_error with `what` unless `actual` is `expected`.
inline void require_extents(extents2 actual, extents2 expected, char const* what) {
  if (actual == expected) return;
  auto const text = [](extents2 e) { return std::to_string(e.rows) + " x " + std::to_string(e.columns); };
  throw shape_error(stated("shape.mismatch", "{what}: expected {expected}, got {found}",
                           {{"what", what}, {"expected", text(expected)}, {"found", text(actual)}}));
}

}  // namespace halfstep
