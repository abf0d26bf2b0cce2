// The runtime name of what is otherwise a type: layout, transform and rounding of one weight.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <halfstep/core/dtype.hpp>
#include <halfstep/core/extents.hpp>
#include <halfstep/recipe/basis_choice.hpp>
#include <halfstep/recipe/format.hpp>
#include <halfstep/rounding/nearest.hpp>

namespace halfstep {

/// The name of scales that the largest magnitudes give.
inline constexpr std::string_view absmax_scales = "absmax";

/// The name of no solver at all.
inline constexpr std::string_view no_solver = "none";

/// The name of the scale search or the solver that suits what is known of a layer's inputs: see `stage_table`.
inline constexpr std::string_view suitable = "auto";

/// In which basis a weight is stored, ConvRot apart.
enum class storage_basis : std::uint8_t {
  plain,
  incoherent  ///< QuIP: padded to powers of two, rows and columns rotated at random
};

/// How a loader is asked to multiply: in integers where it can, or in the precision of the activations.
enum class matmul_precision : std::uint8_t { native, full };

/// What is done to one weight matrix.
struct recipe {
  halfstep::format format = {};      ///< one that names nothing stores nothing
  int rotation_group = 0;            ///< columns rotated together by ConvRot, 0 for none; INT8 with a scale a row only
  std::string rounding = "nearest";  ///< the name of which of two neighbouring codes is taken
  matmul_precision matmul = matmul_precision::native;
  std::string scales = std::string(absmax_scales);  ///< the name of how they are found
  std::string solver = std::string(no_solver);      ///< the name of who chooses codes after the rounding
  storage_basis basis = storage_basis::plain;
  std::optional<double> smoothing = std::nullopt;  ///< SmoothQuant's alpha, where columns are scaled by stored factors
  std::vector<basis_choice> bases = {};            ///< of a program's own, before the others; they work row by row

  /// Returns whether both store a weight the same way, however its codes and scales are found.
  friend bool operator==(recipe const& a, recipe const& b) {
    return a.format == b.format && a.rotation_group == b.rotation_group && a.rounding == b.rounding && a.matmul == b.matmul &&
           a.basis == b.basis && a.smoothing.has_value() == b.smoothing.has_value() && a.bases == b.bases;
  }
};

/// Returns the recipe in words, such as "int8_blockwise 128" or "int8_axiswise + convrot 64".
inline std::string to_string(recipe const& r) {
  std::string text = to_string(r.format);
  for (auto const& own : r.bases) text += " + " + to_string(own);
  if (r.smoothing) text += " + smoothquant";
  if (r.basis == storage_basis::incoherent) text += " + quip";
  if (r.rotation_group != 0) text += " + convrot " + std::to_string(r.rotation_group);
  if (r.rounding != nearest::name) text += ", " + r.rounding;
  if (r.matmul == matmul_precision::full) text += ", full precision matmul";
  return text;
}

/// Returns whether ConvRot has a matrix for groups of `group` columns: it is a power of four from 4 to 1024.
constexpr bool is_rotation_group(index_t group) {
  return group == 4 || group == 16 || group == 64 || group == 256 || group == 1024;
}

/// Returns whether columns of layers stored as `f` can be rotated together.
constexpr bool can_rotate(format const& f) { return f.codes == dtype::i8 && f.geometry == "row"; }

/// Returns the first of `wanted`, wanted / 4, .. down to 16 that divides `columns`; 0 where none does.
///
/// Precondition: `wanted` is 0 or a rotation group.
constexpr int rotation_group_for(index_t columns, int wanted) {
  for (int group = wanted; group >= 16 || (group == wanted && group > 0); group /= 4)
    if (columns % group == 0) return group;
  return 0;
}

/// Returns the shape of the codes of a weight [M, N]: that shape, or padded where QuIP transforms it.
constexpr extents2 stored_extents(recipe const& r, extents2 e) {
  return r.basis == storage_basis::incoherent && e.count() > 0 ? padded_to_powers_of_two(e) : e;
}

/// Returns why `r` cannot store a weight of shape `e`, as the end of a sentence; empty where it can.
inline std::string obstacle(recipe const& r, extents2 e) {
  auto const shape = "[" + std::to_string(e.rows) + ", " + std::to_string(e.columns) + "]";
  if (e.rows == 0 || e.columns == 0) return shape + " holds no elements";
  extents2 const stored = stored_extents(r, e);
  if (r.format.fits == nullptr) return shape + " has no format";
  if (!r.format.fits(stored))
    return r.format.side == 0 ? shape + " is no shape of " + to_string(r.format)
                              : shape + " is not divisible by blocks of " + std::to_string(r.format.side);
  for (auto const& own : r.bases) {
    if (own.row.mixes_rows) return "its basis " + to_string(own) + " mixes rows, which a program's own may not";
    if (!own.row.fits({.weight = e, .number = own.number})) return shape + " does not fit the basis " + to_string(own);
  }
  if (r.rotation_group != 0 && e.columns % r.rotation_group != 0)
    return shape + " is not divisible into rotation groups of " + std::to_string(r.rotation_group) + " columns";
  return {};
}

}  // namespace halfstep
