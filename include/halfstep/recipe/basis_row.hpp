// How the row of a basis is made of a transform.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include <halfstep/core/extents.hpp>
#include <halfstep/recipe/basis_choice.hpp>
#include <halfstep/recipe/stored_basis.hpp>
#include <halfstep/transform/basis.hpp>

namespace halfstep {

/// How a basis is made of `Transform`; specialize it for what is not made of nothing. What files hold of it is a matter of
/// `stored_basis`, which a transform that files hold nothing of does without.
template <class Transform>
struct basis_trait {
  static constexpr basis_need need = basis_need::shape;
  static constexpr std::string_view method = {};  ///< what reports say of a layer in this basis
  static constexpr std::string_view overflow = "its transformed weights exceed FP32";

  static Transform make(basis_request const&) { return Transform{}; }

  /// Returns a transform of which files hold what they hold of any other of the request, its numbers apart.
  static Transform blank(basis_request const& of) { return basis_trait<Transform>::make(of); }

  /// Returns the transform that files hold these tensors of.
  static Transform restored(basis_request const& of, std::span<companion const>) { return basis_trait<Transform>::make(of); }
};

namespace detail {

template <class Transform>
basis_record record_of(Transform const& transform) {
  if constexpr (requires { stored_basis<Transform>::record(transform); })
    return stored_basis<Transform>::record(transform);
  else
    return {};
}

/// Returns whether weights of shape `e` can be stored in the basis.
template <class Transform>
bool basis_fits(Transform const& transform, extents2 e) {
  if constexpr (halfstep::mixes_rows<Transform>)
    return transform.original() == e;
  else
    return transform.fits(e);
}

}  // namespace detail

/// Returns the row of the basis that `Transform` makes.
template <class Transform>
constexpr basis_row make_basis() {
  using trait = basis_trait<Transform>;
  return {Transform::name,
          trait::need,
          halfstep::mixes_rows<Transform>,
          trait::method,
          trait::overflow,
          [](basis_request const& of, basis& to) { to.append(trait::make(of)); },
          [](basis const& in) {
            auto const* const held = in.find<Transform>();
            return held == nullptr ? basis_record() : detail::record_of(*held);
          },
          [](basis_request const& of) { return detail::record_of(trait::blank(of)); },
          [](basis_request const& of, std::span<companion const> parts, basis& to) { to.append(trait::restored(of, parts)); },
          [](basis_request const& of) { return detail::basis_fits(trait::blank(of), of.weight); }};
}

}  // namespace halfstep
