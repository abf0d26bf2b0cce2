// What a transform is: an invertible change of basis on a weight's columns.
#pragma once

#include <concepts>
#include <string_view>

#include <halfstep/core/extents.hpp>
#include <halfstep/core/matrix_view.hpp>
#include <halfstep/exec/serial.hpp>

namespace halfstep {

namespace detail {

template <class T>
concept transform_has_name = requires {
  { T::name } -> std::convertible_to<std::string_view>;
};
template <class T>
concept transform_has_fits = requires(T const t, extents2 e) {
  { t.fits(e) } -> std::same_as<bool>;
};
template <class T>
concept transform_has_apply = requires(T const t, serial ex, host_view<float> w) {
  t.apply(ex, w);
};
template <class T>
concept transform_has_invert = requires(T const t, serial ex, host_view<float> w) {
  t.invert(ex, w);
};
template <class T>
concept transform_has_input = requires(T const t, serial ex, host_view<float> x) {
  t.apply_to_input(ex, x);
};

}  // namespace detail

/// Whether a basis takes a layer's outputs along, because it mixes the rows of its weight: see transform/whole_basis.hpp.
template <class T>
concept mixes_rows = requires(T const t, serial ex, host_view<float> y) {
  t.invert_output(ex, y);
};

/// A value that changes the basis of a weight W [M, N] to W' and back, row by row, and takes an input x [B, N] along.
///
/// `fits(e)`: can a weight of this shape be transformed; `apply(ex, w)`: W to W', in place; `invert(ex, w)`: back;
/// `apply_to_input(ex, x)`: x to the x' with x' W'^T = x W^T. It may offer `apply(ex, from, to)` too, which reads weights of any
/// type; `quantizer` then saves a pass. What mixes rows is no transform: pieces of whole rows would come out wrong.
template <class T>
concept transform = !mixes_rows<T> && detail::transform_has_name<T> && detail::transform_has_fits<T> &&
                    detail::transform_has_apply<T> && detail::transform_has_invert<T> && detail::transform_has_input<T>;

namespace detail {

template <class T>
consteval bool check_transform_members() {
  static_assert(transform_has_name<T>, "halfstep: a transform needs a static member name, convertible to std::string_view");
  static_assert(transform_has_fits<T>, "halfstep: a transform needs bool fits(extents2) const: can this shape be transformed");
  static_assert(transform_has_apply<T>, "halfstep: a transform needs apply(executor, view<float>) const: the change of basis");
  static_assert(transform_has_invert<T>, "halfstep: a transform needs invert(executor, view<float>) const: the way back");
  static_assert(transform_has_input<T>,
                "halfstep: a transform needs apply_to_input(executor, view<float>) const: what a layer's input goes through");
  return true;  // false would add a second error to the sentences above
}

}  // namespace detail

/// Returns true if `T` is a transform; where it is not, compilation fails with one sentence for each missing member.
template <class T>
consteval bool check_transform() {
  static_assert(
      !mixes_rows<T>,
      "halfstep: this basis mixes rows, so it is no transform of single rows; its tensors have operations of their own, "
      "in tensor/incoherent.hpp (.cuh on a device)");
  return detail::check_transform_members<T>();
}

}  // namespace halfstep
