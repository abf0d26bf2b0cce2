// What loaders make of quantized layers: who can load a recipe, and the metadata that repeats the markers.
#pragma once

#include <algorithm>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include <halfstep/core/text.hpp>
#include <halfstep/recipe/comfyui_version.hpp>
#include <halfstep/recipe/file_trait.hpp>
#include <halfstep/recipe/marker.hpp>
#include <halfstep/recipe/recipe.hpp>

namespace halfstep {

/// Returns which program loads a layer stored as `r` with keys in the given style.
///
/// `any` for formats without scales, such as fp16: ordinary tensors.
inline loader loader_of(recipe const& r, marker_style style) {
  if (!r.format.has_scales()) return loader::any;
  loader const needs = r.format.files.in(style).needs;
  if (needs == loader::own) return needs;
  loader of_bases = loader::any;
  for (auto const& choice : r.bases) of_bases = std::max(of_bases, choice.row.needs);
  if (of_bases > loader::engine) return of_bases;
  return style == marker_style::none ? loader::engine : std::max(needs, of_bases);
}

/// Returns since which version stock ComfyUI loads a layer stored as `r` whose weight it uses so; 0.0 where another program loads
/// the layer, or no version does.
inline comfyui_version version_of(recipe const& r, marker_style style, weight_use use) {
  return loader_of(r, style) == loader::stock_comfyui ? r.format.files.in(style).since.of(use) : comfyui_version{};
}

/// Returns where a file loads whose most particular layer needs `who`, as a sentence; stock ComfyUI since the version `since`.
inline std::string load_sentence(loader who, comfyui_version since) {
  switch (who) {
    case loader::any:
      return "loads wherever the input loads";
    case loader::stock_comfyui:
      return "loads in stock ComfyUI" + (since.is_known() ? ", version " + to_string(since) + " or newer" : std::string());
    case loader::fork:
      return "loads only in ComfyUI forks with the INT8 patch, not in stock ComfyUI: `markers comfyui` writes what that loads";
    case loader::fp8_fork:
      return "loads only in ComfyUI forks with block-wise FP8, not in stock ComfyUI: `scaling tensor` writes what that "
             "loads";
    case loader::engine:
      return "loads in engines that read `scale_weight` keys, not in ComfyUI: `markers` writes what that loads";
    case loader::quip_engine:
      return "loads only in engines that undo QuIP's transform by its `hadamard_quip` keys: leave out `incoherent` "
             "for what others load";
    case loader::own:
      return "loads only in programs that know the names of its formats, which others do not";
    case loader::lora_engine:
      return "is a quantized LoRA that no version of ComfyUI loads: it loads only in programs that decode its matrices by their "
             "`scale_weight` keys";
  }
  return {};
}

/// Whether the header's metadata repeats the markers.
enum class quant_metadata : std::uint8_t { omit, save };

/// The key of the header metadata that repeats the markers.
inline constexpr std::string_view quant_metadata_key = "_quantization_metadata";

/// Returns the value of `_quantization_metadata`: JSON that gives every layer the object its marker holds.
///
/// `layers` are names without `.weight` and their recipes, written in this order; layers without scales are left out. `others`
/// are layers that were quantized before, with their objects as JSON.
inline std::string quant_metadata_text(std::span<std::pair<std::string, recipe> const> layers, marker_style style,
                                       std::span<std::pair<std::string, std::string> const> others = {}) {
  std::string text = R"({"format_version": "1.0", "layers": {)";
  bool first = true;
  for (auto const& [name, how] : layers) {
    if (!how.format.has_scales()) continue;
    if (!first) text += ", ";
    first = false;
    append_json_string(text, name);
    text += ": " + marker_text(how, style);
  }
  for (auto const& [name, object] : others) {
    if (!first) text += ", ";
    first = false;
    append_json_string(text, name);
    text += ": " + object;
  }
  return text + "}}";
}

}  // namespace halfstep
