// Rows of bases, derived from the types of transforms.
#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include <halfstep/core/extents.hpp>
#include <halfstep/recipe/basis_row.hpp>
#include <halfstep/recipe/stored_basis.hpp>
#include <halfstep/transform/basis.hpp>

namespace halfstep {

template <class Transform>
struct basis_trait;

namespace detail {

template <class Transform>
basis_record record_of(Transform const& transform) {
  if constexpr (requires { stored_basis<Transform>::record(transform); })
    return stored_basis<Transform>::record(transform);
  else
    return {};
}

template <class Transform>
Transform blank_transform(basis_request const& of) {
  if constexpr (requires { basis_trait<Transform>::blank(of); })
    return basis_trait<Transform>::blank(of);
  else
    return basis_trait<Transform>::make(of);
}

template <class Transform>
Transform restored_transform(basis_request const& of, [[maybe_unused]] std::span<companion const> parts) {
  if constexpr (requires { basis_trait<Transform>::restored(of, parts); })
    return basis_trait<Transform>::restored(of, parts);
  else
    return basis_trait<Transform>::make(of);
}

/// Returns whether weights of shape `e` can be stored in the basis.
template <class Transform>
bool basis_fits(Transform const& transform, extents2 e) {
  if constexpr (halfstep::mixes_rows<Transform>)
    return transform.original() == e;
  else
    return transform.fits(e);
}

template <class Transform>
concept takes_maxima = requires(Transform const t, std::span<float> maxima) {
  t.apply_to_maxima(maxima);
};

}  // namespace detail

/// What a basis of transforms that are made of nothing does, and what the traits of others begin with.
template <class Transform>
struct basis_defaults {
  static constexpr basis_need need = basis_need::shape;
  static constexpr loader needs = loader::own;
  static constexpr std::string_view method = {};
  static constexpr std::string_view overflow = "its transformed weights exceed FP32";

  /// Returns the name, and the number where there is one.
  static std::string words(double number) {
    std::string text(Transform::name);
    if (number == 0.0) return text;
    auto digits = std::to_string(number);
    digits.erase(digits.find_last_not_of('0') + 1);
    if (digits.ends_with('.')) digits.pop_back();
    return text + " " + digits;
  }
  static extents2 stored(extents2 weight) { return weight; }
  static std::optional<double> settle(double wanted, extents2) { return wanted; }
  static std::string obstacle(double number, extents2 weight) {
    if (detail::basis_fits(detail::blank_transform<Transform>({.weight = weight, .number = number}), weight)) return {};
    return "does not fit the basis " + basis_trait<Transform>::words(number);
  }
  static std::string conflict(basis_choice const&, format const&, marker_style, std::span<basis_choice const>) { return {}; }
  static Transform make(basis_request const&) { return Transform{}; }
};

/// How a basis is made of `Transform`; specialize it for what is not made of nothing, from `basis_defaults<Transform>`.
///
/// Beside what stands there, it may have `blank(request)`, a transform of which files hold what they hold of any other of the
/// request, its numbers apart, and `restored(request, companions)`, the one that files hold these of. What files hold is a matter
/// of `stored_basis`, which a transform that they hold nothing of does without.
template <class Transform>
struct basis_trait : basis_defaults<Transform> {};

/// Returns the row of the basis that `Transform` makes.
template <class Transform>
constexpr basis_row make_basis() {
  using trait = basis_trait<Transform>;
  return {Transform::name,
          trait::need,
          halfstep::mixes_rows<Transform>,
          detail::takes_maxima<Transform>,
          trait::needs,
          trait::method,
          trait::overflow,
          trait::words,
          trait::stored,
          trait::settle,
          trait::obstacle,
          trait::conflict,
          [](basis_request const& of, basis& to) { to.append(trait::make(of)); },
          [](basis const& in) {
            auto const* const held = in.find<Transform>();
            return held == nullptr ? basis_record() : detail::record_of(*held);
          },
          [](basis_request const& of) { return detail::record_of(detail::blank_transform<Transform>(of)); },
          [](basis_request const& of, std::span<companion const> parts, basis& to) {
            to.append(detail::restored_transform<Transform>(of, parts));
          }};
}

}  // namespace halfstep
