// The names that other programs give to a model's layers.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <string>
#include <string_view>

namespace halfstep {

/// How a layer's name separates its parts.
enum class name_form : std::uint8_t {
  dotted,      ///< "blocks.0.attn.q"
  underscored  ///< "blocks_0_attn_q", from LoRA files that have underscores for dots
};

/// A layer's name without the prefix of the program that wrote it.
struct bare_name {
  std::string text;
  name_form form;
};

/// Returns `name` without the first prefix that it begins with: "model.diffusion_model.", "diffusion_model.", "transformer.",
/// "lora_unet_" or "lora_te_". Names behind the last two have underscores for dots.
inline bare_name without_prefix(std::string_view name) {
  constexpr std::array<std::string_view, 3> dotted{"model.diffusion_model.", "diffusion_model.", "transformer."};
  constexpr std::array<std::string_view, 2> underscored{"lora_unet_", "lora_te_"};
  for (auto const prefix : dotted)
    if (name.starts_with(prefix)) return {std::string(name.substr(prefix.size())), name_form::dotted};
  for (auto const prefix : underscored)
    if (name.starts_with(prefix)) return {std::string(name.substr(prefix.size())), name_form::underscored};
  return {std::string(name), name_form::dotted};
}

/// Returns `name` with underscores for dots.
inline std::string underscored(std::string name) {
  std::replace(name.begin(), name.end(), '.', '_');
  return name;
}

}  // namespace halfstep
