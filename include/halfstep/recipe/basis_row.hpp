// A basis under its runtime name: how it is made for a layer, and what files hold of it.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include <halfstep/core/extents.hpp>
#include <halfstep/recipe/stored_basis.hpp>
#include <halfstep/transform/basis.hpp>

namespace halfstep {

/// What a basis follows from.
enum class basis_need : std::uint8_t {
  shape,  ///< the shape of the weight, a number and a seed
  maxima  ///< and the largest magnitudes of its columns and of the inputs'
};

/// What a layer gives a basis to be made of.
struct basis_request {
  extents2 weight{};                       ///< as it comes out of the transforms before
  double number = 0.0;                     ///< such as the columns of a group
  std::uint64_t key = 0;                   ///< of the layer's random numbers
  std::span<float const> weight_max = {};  ///< by column
  std::span<float const> input_max = {};   ///< by column
};

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

}  // namespace detail

/// A basis under its name.
struct basis_row {
  std::string_view name;
  basis_need need;
  bool mixes_rows;
  std::string_view method;    ///< what reports say of a layer in this basis; empty for nothing
  std::string_view overflow;  ///< of weights that are not finite in it, as the end of a sentence
  void (*append)(basis_request const& of, basis& to);
  basis_record (*record)(basis const& in);                ///< of a layer in this basis
  basis_record (*blank_record)(basis_request const& of);  ///< the same, the bytes of its tensors apart
  void (*restore)(basis_request const& of, std::span<companion const> parts, basis& to);
};

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
          [](basis_request const& of, std::span<companion const> parts, basis& to) { to.append(trait::restored(of, parts)); }};
}

/// A basis that somebody chose, with its number.
struct basis_choice {
  basis_row row;
  double number = 0.0;
};

}  // namespace halfstep
