// One transform of a basis behind a common interface, and the moves of numbers in memory that bases need.
#pragma once

#include <algorithm>
#include <concepts>
#include <cstddef>
#include <span>
#include <type_traits>
#include <utility>

#include <halfstep/core/dtype.hpp>
#include <halfstep/core/extents.hpp>
#include <halfstep/core/matrix_view.hpp>
#include <halfstep/core/source.hpp>
#include <halfstep/exec/any_host.hpp>
#include <halfstep/kernel/widen.hpp>
#include <halfstep/transform/concept.hpp>
#include <halfstep/transform/whole_basis.hpp>

namespace halfstep::detail {

/// One transform, its type forgotten. What transforms may offer beside what the concept asks for is described at `basis`.
struct basis_link {
  basis_link() = default;
  basis_link(basis_link const&) = delete;
  basis_link& operator=(basis_link const&) = delete;
  virtual ~basis_link() = default;

  virtual bool mixes_rows() const = 0;
  virtual bool is_equal(basis_link const& other) const = 0;
  virtual bool fits(extents2 e) const = 0;
  virtual extents2 stored(extents2 e) const = 0;
  virtual void apply(any_host const& ex, host_view<float> w) const = 0;
  virtual void apply(any_host const& ex, dtype type, void const* rows, host_view<float> to) const = 0;
  virtual void invert(any_host const& ex, host_view<float> w) const = 0;
  virtual void apply_to_input(any_host const& ex, host_view<float> x) const = 0;
  virtual void apply_to_input_columns(any_host const& ex, index_t first, host_view<float> x) const = 0;
  virtual bool apply_to_maxima(std::span<float> maxima) const = 0;
  virtual bool apply_to_squares(std::span<float> squares) const = 0;
  virtual index_t column_group(index_t columns) const = 0;
};

/// Stores rows of the type `type` in FP32.
inline void widen_rows(any_host const& ex, dtype type, void const* rows, host_view<float> to) {
  with_source_type(type, [&]<class Source>(std::type_identity<Source>) {
    widen(ex, host_view<Source const>(static_cast<Source const*>(rows), to.extents(), to.first_row()), to);
  });
}

template <class Transform>
class erased_transform final : public basis_link {
 public:
  explicit erased_transform(Transform transform) : held_(std::move(transform)) {}

  Transform const& held() const { return held_; }

  bool is_equal([[maybe_unused]] basis_link const& other) const override {
    if constexpr (std::equality_comparable<Transform>) {
      auto const* const same = dynamic_cast<erased_transform const*>(&other);
      return same != nullptr && same->held_ == held_;
    }
    return false;
  }

  bool mixes_rows() const override { return halfstep::mixes_rows<Transform>; }

  bool fits(extents2 e) const override {
    if constexpr (halfstep::mixes_rows<Transform>)
      return e == held_.original();
    else
      return held_.fits(e);
  }

  extents2 stored(extents2 e) const override {
    if constexpr (halfstep::mixes_rows<Transform>)
      return {padded(e.rows, held_.original().rows, held_.padded().rows),
              padded(e.columns, held_.original().columns, held_.padded().columns)};
    else
      return e;
  }

  void apply(any_host const& ex, host_view<float> w) const override { held_.apply(ex, w); }

  void apply(any_host const& ex, dtype type, void const* rows, host_view<float> to) const override {
    with_source_type(type, [&]<class Source>(std::type_identity<Source>) {
      host_view<Source const> const from(static_cast<Source const*>(rows), to.extents(), to.first_row());
      if constexpr (requires { held_.apply(ex, from, to); }) {
        held_.apply(ex, from, to);
      } else {
        widen(ex, from, to);
        held_.apply(ex, to);
      }
    });
  }

  void invert(any_host const& ex, host_view<float> w) const override { held_.invert(ex, w); }
  void apply_to_input(any_host const& ex, host_view<float> x) const override { held_.apply_to_input(ex, x); }

  void apply_to_input_columns(any_host const& ex, index_t first, host_view<float> x) const override {
    if constexpr (requires { held_.apply_to_input(ex, first, x); })
      held_.apply_to_input(ex, first, x);
    else
      held_.apply_to_input(ex, x);
  }

  bool apply_to_maxima([[maybe_unused]] std::span<float> maxima) const override {
    if constexpr (requires { held_.apply_to_maxima(maxima); }) {
      held_.apply_to_maxima(maxima);
      return true;
    }
    return false;
  }

  bool apply_to_squares([[maybe_unused]] std::span<float> squares) const override {
    if constexpr (requires { held_.apply_to_squares(squares); }) {
      held_.apply_to_squares(squares);
      return true;
    }
    return false;
  }

  index_t column_group(index_t columns) const override {
    if constexpr (requires {
                    { held_.column_group() } -> std::convertible_to<index_t>;
                  })
      return held_.column_group();
    else
      return columns;
  }

 private:
  /// A side that is not the weight's own, such as that of a few inputs, stays.
  static index_t padded(index_t side, index_t original, index_t stored) { return side == original ? stored : side; }

  Transform held_;
};

/// Makes a matrix of shape `from` the first rows and columns of one of shape `to`, zeros elsewhere, in the same memory.
inline void pad_in_place(float* w, extents2 from, extents2 to) {
  if (from == to) return;
  for (index_t row = from.rows; row-- > 0;) {  // from the last on: no row is overwritten before it is moved
    if (row > 0) std::copy_backward(w + row * from.columns, w + (row + 1) * from.columns, w + row * to.columns + from.columns);
    std::fill(w + row * to.columns + from.columns, w + (row + 1) * to.columns, 0.0f);
  }
  std::fill(w + from.rows * to.columns, w + to.count(), 0.0f);
}

/// Makes the first rows and columns of a matrix of shape `from` one of shape `to`, in the same memory.
inline void crop_in_place(float* w, extents2 from, extents2 to) {
  if (from == to) return;
  for (index_t row = 1; row < to.rows; ++row) std::copy_n(w + row * from.columns, to.columns, w + row * to.columns);
}

/// Stores the transpose of a square matrix.
inline void store_transpose(any_host const& ex, host_view<float const> from, host_view<float> to) {
  ex.for_each(to.rows(), [&](index_t row) {
    for (index_t k = 0; k < to.columns(); ++k) to(row, k) = from(k, row);
  });
}

}  // namespace halfstep::detail
