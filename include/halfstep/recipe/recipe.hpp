// The runtime name of what is otherwise a type: layout, transform and rounding of one weight.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include <halfstep/core/extents.hpp>
#include <halfstep/recipe/basis_row.hpp>
#include <halfstep/recipe/format.hpp>
#include <halfstep/rounding/nearest.hpp>

namespace halfstep {

/// The name of scales that the largest magnitudes give.
inline constexpr std::string_view absmax_scales = "absmax";

/// The name of no solver at all.
inline constexpr std::string_view no_solver = "none";

/// The name of the scale search or the solver that suits what is known of a layer's inputs: see `stage_table`.
inline constexpr std::string_view suitable = "auto";

/// How a loader is asked to multiply: in integers where it can, or in the precision of the activations.
enum class matmul_precision : std::uint8_t { native, full };

/// What is done to one weight matrix.
struct recipe {
  halfstep::format format = {};          ///< one that names nothing stores nothing
  std::vector<basis_choice> bases = {};  ///< what weights go through before they are rounded, in order
  std::string rounding = "nearest";      ///< the name of which of two neighbouring codes is taken
  matmul_precision matmul = matmul_precision::native;
  std::string scales = std::string(absmax_scales);  ///< the name of how they are found
  std::string solver = std::string(no_solver);      ///< the name of who chooses codes after the rounding

  /// Returns whether both store a weight the same way, however its codes and scales are found.
  friend bool operator==(recipe const& a, recipe const& b) {
    return a.format == b.format && a.bases == b.bases && a.rounding == b.rounding && a.matmul == b.matmul;
  }
};

/// Returns the recipe in words, such as "int8_blockwise 128" or "int8_axiswise + convrot 64".
inline std::string to_string(recipe const& r) {
  std::string text = to_string(r.format);
  for (auto const& choice : r.bases) text += " + " + choice.words();
  if (r.rounding != nearest::name) text += ", " + r.rounding;
  if (r.matmul == matmul_precision::full) text += ", full precision matmul";
  return text;
}

/// Returns the shape of the codes of a weight [M, N]: that shape, or a larger one where a basis pads it.
inline extents2 stored_extents(recipe const& r, extents2 e) { return stored_extents(r.bases, e); }

/// Returns why `r` cannot store a weight of shape `e`, as the end of a sentence; empty where it can.
inline std::string obstacle(recipe const& r, extents2 e) {
  auto const shape = "[" + std::to_string(e.rows) + ", " + std::to_string(e.columns) + "]";
  if (e.rows == 0 || e.columns == 0) return shape + " holds no elements";
  extents2 const stored = stored_extents(r, e);
  if (r.format.fits == nullptr) return shape + " has no format";
  if (!r.format.fits(stored))
    return r.format.side == 0 ? shape + " is no shape of " + to_string(r.format)
                              : shape + " is not divisible by blocks of " + std::to_string(r.format.side);
  for (auto const& choice : r.bases) {
    if (auto const why = choice.row.obstacle(choice.number, e); !why.empty()) return shape + " " + why;
    e = choice.row.stored(e);
  }
  return {};
}

}  // namespace halfstep
