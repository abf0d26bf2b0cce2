// The bases of files that others load: ConvRot, SmoothQuant, QuIP's transformed storage.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string_view>
#include <vector>

#include <halfstep/core/extents.hpp>
#include <halfstep/core/random.hpp>
#include <halfstep/recipe/basis_row.hpp>
#include <halfstep/recipe/recipe.hpp>
#include <halfstep/transform/hadamard.hpp>
#include <halfstep/transform/smoothing.hpp>
#include <halfstep/transform/two_sided_hadamard.hpp>

namespace halfstep {

namespace detail {

inline std::vector<float> floats_of(companion const& part) {
  std::vector<float> values(part.bytes.size() / sizeof(float));
  std::memcpy(values.data(), part.bytes.data(), part.bytes.size());
  return values;
}

}  // namespace detail

/// ConvRot: the number is that of the columns of a group.
template <>
struct basis_trait<regular_hadamard> {
  static constexpr basis_need need = basis_need::shape;
  static constexpr std::string_view method = {};
  static constexpr std::string_view overflow = "its rotated weights exceed FP32; convert it without `rotation`";

  static regular_hadamard make(basis_request const& of) { return {static_cast<int>(of.number)}; }
  static regular_hadamard blank(basis_request const& of) { return make(of); }
  static regular_hadamard restored(basis_request const& of, std::span<companion const>) { return make(of); }
};

/// SmoothQuant: the number is its alpha.
template <>
struct basis_trait<smoothing> {
  static constexpr basis_need need = basis_need::maxima;
  static constexpr std::string_view method = "smoothed by the inputs";
  static constexpr std::string_view overflow = "its smoothed weights exceed FP32; leave out `smoothing`";

  static smoothing make(basis_request const& of) { return smoothing(smoothing_factors(of.input_max, of.weight_max, of.number)); }
  static smoothing blank(basis_request const& of) {
    return smoothing(std::vector<float>(static_cast<std::size_t>(of.weight.columns), 1.0f));
  }
  static smoothing restored(basis_request const&, std::span<companion const> parts) {
    return smoothing(detail::floats_of(parts[0]));
  }
};

/// QuIP's transformed storage: signs are drawn for each layer.
template <>
struct basis_trait<two_sided_hadamard> {
  static constexpr basis_need need = basis_need::shape;
  static constexpr std::string_view method = {};
  static constexpr std::string_view overflow = "its rotated weights exceed FP32; convert it without `incoherent`";

  static two_sided_hadamard make(basis_request const& of) { return {philox(of.key), of.weight}; }
  static two_sided_hadamard blank(basis_request const& of) {
    extents2 const e = padded_to_powers_of_two(of.weight);
    return {of.weight, std::vector<float>(static_cast<std::size_t>(e.rows), 1.0f),
            std::vector<float>(static_cast<std::size_t>(e.columns), 1.0f)};
  }
  static two_sided_hadamard restored(basis_request const& of, std::span<companion const> parts) {
    return {of.weight, detail::floats_of(parts[3]), detail::floats_of(parts[4])};
  }
};

/// Returns the bases that `r` asks for, in the order in which a weight goes through them: a program's own first.
inline std::vector<basis_choice> bases_of(recipe const& r) {
  std::vector<basis_choice> all = r.bases;
  if (r.smoothing) all.push_back({make_basis<smoothing>(), *r.smoothing});
  if (r.basis == storage_basis::incoherent) all.push_back({make_basis<two_sided_hadamard>()});
  if (r.rotation_group != 0) all.push_back({make_basis<regular_hadamard>(), static_cast<double>(r.rotation_group)});
  return all;
}

}  // namespace halfstep
