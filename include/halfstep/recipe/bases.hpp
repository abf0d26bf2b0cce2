// The bases of files that others load: ConvRot, SmoothQuant, QuIP's transformed storage.
#pragma once

#include <cstddef>
#include <cstring>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <halfstep/core/extents.hpp>
#include <halfstep/core/random.hpp>
#include <halfstep/recipe/basis_row.hpp>
#include <halfstep/recipe/make_basis.hpp>
#include <halfstep/recipe/rotation_group.hpp>
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

inline std::string without_format(format const& f) { return "`format " + std::string(f.files.words) + "`"; }

}  // namespace detail

/// ConvRot: the number is that of the columns of a group, or of the largest that a weight may take.
template <>
struct basis_trait<regular_hadamard> : basis_defaults<regular_hadamard> {
  static constexpr loader needs = loader::any;
  static constexpr std::string_view overflow = "its rotated weights exceed FP32; convert it without `rotation`";

  static std::string words(double number) { return "convrot " + std::to_string(static_cast<int>(number)); }
  static std::optional<double> settle(double wanted, extents2 weight) {
    int const group = rotation_group_for(weight.columns, static_cast<int>(wanted));
    return group == 0 ? std::nullopt : std::optional(static_cast<double>(group));
  }
  static std::string obstacle(double number, extents2 weight) {
    if (weight.columns % static_cast<index_t>(number) == 0) return {};
    return "is not divisible into rotation groups of " + std::to_string(static_cast<int>(number)) + " columns";
  }
  static std::string conflict(basis_choice const& chosen, format const& in, marker_style, std::span<basis_choice const>) {
    if (!can_rotate(in)) return "`rotation` needs `scaling axis`, not " + std::string(in.name);
    if (is_rotation_group(static_cast<index_t>(chosen.number))) return {};
    return "`rotation group` takes a power of four from 4 to 1024, such as 256, not " +
           std::to_string(static_cast<int>(chosen.number));
  }
  static regular_hadamard make(basis_request const& of) { return {static_cast<int>(of.number)}; }
};

/// SmoothQuant: the number is its alpha.
template <>
struct basis_trait<smoothing> : basis_defaults<smoothing> {
  static constexpr basis_need need = basis_need::maxima;
  static constexpr loader needs = loader::fork;
  static constexpr std::string_view method = "smoothed by the inputs";
  static constexpr std::string_view overflow = "its smoothed weights exceed FP32; leave out `smoothing`";

  static std::string words(double) { return std::string(smoothing::name); }
  static std::string conflict(basis_choice const& chosen, format const& in, marker_style markers, std::span<basis_choice const>) {
    if (in.codes != dtype::i8)
      return "`smoothing` stores factors beside INT8 codes alone: leave out " + detail::without_format(in);
    if (markers == marker_style::comfyui)
      return "`smoothing`: stock ComfyUI drops the smoothing factors of INT8 layers and computes garbage; choose `markers "
             "fork`, or write no markers with `markers none`";
    if (chosen.number >= 0.0 && chosen.number <= 1.0) return {};
    return "`smoothing alpha` takes 0 to 1, not " + std::to_string(chosen.number);
  }
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
struct basis_trait<two_sided_hadamard> : basis_defaults<two_sided_hadamard> {
  static constexpr loader needs = loader::quip_engine;
  static constexpr std::string_view overflow = "its rotated weights exceed FP32; convert it without `incoherent`";

  static extents2 stored(extents2 weight) { return padded_to_powers_of_two(weight); }
  static std::string conflict(basis_choice const&, format const& in, marker_style markers, std::span<basis_choice const> all) {
    bool const rotated = find_basis(all, regular_hadamard::name) != nullptr;
    if (rotated || in.codes != dtype::i8)
      return "`incoherent` stores INT8 codes with a rotation of its own: leave out " +
             (rotated ? "`rotation`" : detail::without_format(in));
    if (markers != marker_style::comfyui) return {};
    return "`incoherent`: stock ComfyUI takes the codes for the weight itself and computes garbage; choose "
           "`markers fork`, or write no markers with `markers none`";
  }
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

/// Returns ConvRot with groups of at most `group` columns.
inline basis_choice convrot(int group) { return {make_basis<regular_hadamard>(), static_cast<double>(group)}; }

/// Returns SmoothQuant with its alpha.
inline basis_choice smoothquant(double alpha) { return {make_basis<smoothing>(), alpha}; }

/// Returns QuIP's transformed storage.
inline basis_choice incoherent() { return {make_basis<two_sided_hadamard>()}; }

/// Makes ConvRot one of `all`, the last, with groups of at most `group` columns; with 0 none of them.
inline void rotate_by(std::vector<basis_choice>& all, int group) {
  std::erase_if(all, [](basis_choice const& c) { return c.row.name == regular_hadamard::name; });
  if (group != 0) all.push_back(convrot(group));
}

}  // namespace halfstep
