// Since which version stock ComfyUI loads a format, by what its model does with the weight.
#pragma once

#include <compare>
#include <cstdint>
#include <string>

namespace halfstep {

/// A version of stock ComfyUI, such as 0.27; 0.0 where none is known.
struct comfyui_version {
  int generation = 0;
  int release = 0;

  constexpr bool is_known() const { return generation != 0 || release != 0; }

  friend constexpr auto operator<=>(comfyui_version const&, comfyui_version const&) = default;
};

/// Returns the version as it is written, such as "0.27".
inline std::string to_string(comfyui_version v) { return std::to_string(v.generation) + "." + std::to_string(v.release); }

/// What a model does with a weight: the loaders of the two differ.
enum class weight_use : std::uint8_t {
  multiplied,  ///< by a linear layer
  looked_up    ///< row by row, by an embedding
};

/// Since which versions stock ComfyUI loads a format; 0.0 where none does.
struct comfyui_versions {
  comfyui_version multiplied = {};
  comfyui_version looked_up = {};

  constexpr comfyui_version of(weight_use use) const { return use == weight_use::looked_up ? looked_up : multiplied; }
};

}  // namespace halfstep
