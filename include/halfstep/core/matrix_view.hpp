// Matrices that somebody else owns, typed by the memory they lie in.
#pragma once

#include <string>

#include <halfstep/core/compiler.hpp>
#include <halfstep/core/error.hpp>
#include <halfstep/core/extents.hpp>
#include <halfstep/core/space.hpp>

namespace halfstep {

/// A row-major matrix of `T` in the memory `Space`, without ownership; it may be whole rows cut from a tensor.
///
/// A view knows where its first row lies in its tensor, so that a rounding policy sees the same element numbers however
/// the tensor is cut. Copying a view copies no element. A view of mutable elements is one of constant elements too, so that
/// a function that reads takes `host_view<Source const>`, which deduces `Source` from either. Views are passed by value.
template <class T, class Space>
class matrix_view;

/// A matrix whose elements are read.
template <class T, class Space>
class matrix_view<T const, Space> {
 public:
  using value_type = T;
  using space = Space;

  constexpr matrix_view() = default;

  /// Views `extents` elements from `data` on; its rows are contiguous and `first_row` of the tensor comes first.
  HALFSTEP_HD constexpr matrix_view(T const* data, extents2 extents, index_t first_row = 0)
      : data_(data), extents_(extents), first_row_(first_row) {}

  HALFSTEP_HD constexpr T const* data() const { return data_; }
  HALFSTEP_HD constexpr extents2 extents() const { return extents_; }
  HALFSTEP_HD constexpr index_t rows() const { return extents_.rows; }
  HALFSTEP_HD constexpr index_t columns() const { return extents_.columns; }

  /// Returns the first element of `row`.
  HALFSTEP_HD constexpr T const* row(index_t row) const { return data_ + row * extents_.columns; }

  HALFSTEP_HD constexpr T const& operator()(index_t row, index_t column) const { return data_[row * extents_.columns + column]; }

  /// Returns the row of the tensor that is row 0 here.
  HALFSTEP_HD constexpr index_t first_row() const { return first_row_; }

  /// Returns the place in the whole tensor, counted row by row, of the element at (`row`, `column`) of this view.
  HALFSTEP_HD constexpr index_t index_in_tensor(index_t row, index_t column) const {
    return (first_row_ + row) * extents_.columns + column;
  }

  /// Returns `count` whole rows from `first` on. Precondition: they lie inside.
  HALFSTEP_HD constexpr matrix_view rows(index_t first, index_t count) const {
    return {row(first), {count, extents_.columns}, first_row_ + first};
  }

 private:
  T const* data_ = nullptr;
  extents2 extents_{};
  index_t first_row_ = 0;
};

/// A matrix whose elements are written, too: it is a `matrix_view<T const, Space>`.
template <class T, class Space>
class matrix_view /** @cond a base that doxygen takes for recursion */ : public matrix_view<T const, Space> /** @endcond */ {
  using read_only = matrix_view<T const, Space>;

 public:
  constexpr matrix_view() = default;

  HALFSTEP_HD constexpr matrix_view(T* data, extents2 extents, index_t first_row = 0) : read_only(data, extents, first_row) {}

  HALFSTEP_HD constexpr T* data() const { return const_cast<T*>(read_only::data()); }  // which the constructor took as it is
  HALFSTEP_HD constexpr T* row(index_t row) const { return data() + row * this->columns(); }
  HALFSTEP_HD constexpr T& operator()(index_t row, index_t column) const { return this->row(row)[column]; }

  using read_only::rows;
  HALFSTEP_HD constexpr matrix_view rows(index_t first, index_t count) const {
    return {row(first), {count, this->columns()}, this->first_row() + first};
  }
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
