// What a basis is that mixes rows: a change of basis on both sides of a weight.
#pragma once

#include <concepts>

#include <halfstep/core/extents.hpp>
#include <halfstep/core/matrix_view.hpp>
#include <halfstep/exec/serial.hpp>
#include <halfstep/transform/concept.hpp>

namespace halfstep {

namespace detail {

template <class B>
concept basis_has_shapes = requires(B const b) {
  { b.original() } -> std::same_as<extents2>;
  { b.padded() } -> std::same_as<extents2>;
};

}  // namespace detail

/// A value that changes the basis of a whole weight W [M, N], rows too, so that no piece of it stands alone.
///
/// It has what a transform has, and beside that: `original()`: the shape of W; `padded()`: that of W', which is W with zeros
/// added, transformed; `fits(e)`: whether e is that; `invert_output(ex, y)`: y' = x' W'^T to y = x W^T, padded. Tensors in such a
/// basis have operations of their own, in tensor/incoherent.hpp.
template <class B>
concept whole_basis =
    mixes_rows<B> && detail::transform_has_name<B> && detail::transform_has_fits<B> && detail::transform_has_apply<B> &&
    detail::transform_has_invert<B> && detail::transform_has_input<B> && detail::basis_has_shapes<B>;

/// Returns true if `B` is a basis that mixes rows; where it is not, compilation fails with one sentence for each missing member.
template <class B>
consteval bool check_whole_basis() {
  static_assert(mixes_rows<B>,
                "halfstep: a basis that mixes rows needs invert_output(executor, view<float>) const: "
                "what a layer's output goes through");
  static_assert(
      detail::basis_has_shapes<B>,
      "halfstep: a basis that mixes rows needs extents2 original() const and padded() const: the shapes of W and of W'");
  return detail::check_transform_members<B>();
}

/// Returns true if `B` is a transform or a basis that mixes rows; otherwise the sentences of what it is not.
template <class B>
consteval bool check_basis() {
  if constexpr (mixes_rows<B>)
    return check_whole_basis<B>();
  else
    return check_transform<B>();
}

}  // namespace halfstep
