// The runtime name of what is otherwise a type: layout, transform and rounding of one weight.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include <halfstep/core/extents.hpp>
#include <halfstep/recipe/scheme.hpp>

namespace halfstep {

/// Which of two neighbouring codes is taken.
enum class rounding_kind : std::uint8_t { nearest, stochastic };

/// How the scales of a weight are found.
enum class scale_choice : std::uint8_t {
  absmax,     ///< from the largest magnitudes
  automatic,  ///< `mse` where the mean squares of the inputs are known, else `bounded`
  bounded,
  mse
};

/// Who chooses codes after rounding to nearest.
enum class solver_kind : std::uint8_t {
  none,
  coordinate,
  original,
  adamw,
  radam,
  prodigy,
  gptq,      ///< where a Hessian of the layer's inputs is known, else none
  quip,      ///< the same, in the basis that is stored
  automatic  ///< gptq where the program has it, else none
};

/// Returns the name that the command line has for a solver.
constexpr std::string_view name_of(solver_kind solver) {
  constexpr std::string_view names[] = {"none", "coordinate", "original", "adamw", "radam", "prodigy", "gptq", "quip", "auto"};
  return names[static_cast<std::size_t>(solver)];
}

/// Returns whose stage a solver runs: the same for all that feed errors back.
constexpr solver_kind stage_of(solver_kind solver) {
  return solver == solver_kind::quip || solver == solver_kind::automatic ? solver_kind::gptq : solver;
}

/// In which basis a weight is stored, ConvRot apart.
enum class storage_basis : std::uint8_t {
  plain,
  incoherent  ///< QuIP: padded to powers of two, rows and columns rotated at random
};

/// How a loader is asked to multiply: in integers where it can, or in the precision of the activations.
enum class matmul_precision : std::uint8_t { native, full };

/// Which keys tell a loader about quantized layers.
enum class marker_style : std::uint8_t {
  none,     ///< the older names: `P.scale_weight`, no marker
  comfyui,  ///< `P.weight_scale` and `P.comfy_quant`, as stock ComfyUI reads them
  fork      ///< the same keys as the reference system writes them: `int8_axiswise` with scales [M]
};

/// What is done to one weight matrix.
struct recipe {
  scheme format = scheme::int8_block;
  int block_size = 128;    ///< side of a block; of no meaning to the other schemes
  int rotation_group = 0;  ///< columns rotated together by ConvRot, 0 for none; axis scales only
  rounding_kind rounding = rounding_kind::nearest;
  matmul_precision matmul = matmul_precision::native;
  scale_choice scales = scale_choice::absmax;
  solver_kind solver = solver_kind::none;
  storage_basis basis = storage_basis::plain;
  std::optional<double> smoothing = std::nullopt;  ///< SmoothQuant's alpha, where columns are scaled by stored factors

  /// Returns whether both store a weight the same way, however its codes and scales are found.
  friend constexpr bool operator==(recipe const& a, recipe const& b) {
    return a.format == b.format && (!has_blocks(a.format) || a.block_size == b.block_size) &&
           a.rotation_group == b.rotation_group && a.rounding == b.rounding && a.matmul == b.matmul && a.basis == b.basis &&
           a.smoothing.has_value() == b.smoothing.has_value();
  }
};

/// Returns the recipe in words, such as "int8_blockwise 128" or "int8_axiswise + convrot 64".
inline std::string to_string(recipe const& r) {
  std::string text(name_of(r.format));
  if (has_blocks(r.format)) text += " " + std::to_string(r.block_size);
  if (r.smoothing) text += " + smoothquant";
  if (r.basis == storage_basis::incoherent) text += " + quip";
  if (r.rotation_group != 0) text += " + convrot " + std::to_string(r.rotation_group);
  if (r.rounding == rounding_kind::stochastic) text += ", stochastic";
  if (r.matmul == matmul_precision::full) text += ", full precision matmul";
  return text;
}

/// Returns whether ConvRot has a matrix for groups of `group` columns: it is a power of four from 4 to 1024.
constexpr bool is_rotation_group(index_t group) {
  return group == 4 || group == 16 || group == 64 || group == 256 || group == 1024;
}

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
  if (has_blocks(r.format) && (stored.rows % r.block_size != 0 || stored.columns % r.block_size != 0))
    return shape + " is not divisible by blocks of " + std::to_string(r.block_size);
  if (r.rotation_group != 0 && e.columns % r.rotation_group != 0)
    return shape + " is not divisible into rotation groups of " + std::to_string(r.rotation_group) + " columns";
  return {};
}

}  // namespace halfstep
