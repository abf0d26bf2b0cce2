// What is refused before any decision: options that contradict each other, and inputs that are already quantized.
#pragma once

#include <algorithm>
#include <string>
#include <string_view>
#include <vector>

#include <halfstep/core/dtype.hpp>
#include <halfstep/core/error.hpp>
#include <halfstep/core/text.hpp>
#include <halfstep/plan/layer_config.hpp>
#include <halfstep/plan/options.hpp>
#include <halfstep/plan/rule.hpp>
#include <halfstep/plan/stored_layers.hpp>
#include <halfstep/recipe/artifact.hpp>
#include <halfstep/recipe/comfy_quant.hpp>
#include <halfstep/recipe/recipe.hpp>
#include <halfstep/safetensors/header.hpp>

namespace halfstep {

/// Throws usage_error where `r` makes no sense, or not with these markers.
inline void require_consistent(recipe const& r, marker_style markers) {
  if (r.format.name.empty()) throw usage_error(stated("recipe.no_format", "a recipe names no format"));
  for (auto const& choice : r.bases)
    if (auto const why = choice.row.conflict(choice, r.format, markers, r.bases); !why.empty())
      throw usage_error(
          stated("recipe.conflict", "{reason}", {{"reason", why}, {"basis", choice.words()}, {"format", r.format.name}}));
}

/// Throws usage_error where a recipe or the metadata asked for makes no sense.
inline void require_consistent(plan_options const& options) {
  require_consistent(options.target, options.markers);
  auto const require = [&](std::string const& whose, recipe const& r) {
    try {
      require_consistent(r, options.markers);
    } catch (usage_error const& e) {
      throw usage_error(within(e.said(), "the recipe of {whose}: {why}", {{"whose", whose}}));
    }
  };
  for (auto const& entry : options.layers ? options.layers->entries : std::vector<layer_entry>{})
    if (entry.fate.what == action::quantize) require("`layers` " + quoted(entry.layers), entry.fate.how);
  if (options.layers && options.layers->otherwise && options.layers->otherwise->what == action::quantize)
    require("`layers` '_default'", options.layers->otherwise->how);
  for (auto const& custom : options.custom) require("`custom` " + quoted(custom.layers), custom.how);
  if (options.fallback) require("`fallback`", *options.fallback);
  if (options.metadata == quant_metadata::save && options.markers == marker_style::none)
    throw usage_error(stated("metadata.no_markers", "`metadata` repeats the markers and needs `markers`"));
}

/// Throws usage_error where `input` holds layers that are quantized already: markers, scales, or weights of 8 bits and fewer.
///
/// Such layers must be decoded with their scales first, as `stored_layers` finds them; a second quantization of their codes would
/// be garbage. FP8 counts
/// even without a scale: nobody should quantize it a second time without asking for it.
inline void require_unquantized(safetensors::header const& input) {
  std::vector<std::string_view> layers;
  for (auto const& t : input.tensors()) {
    if (is_scaled_fp8_flag(t.name)) layers.push_back(t.name);
    if (auto const layer = detail::quantized_layer_shown_by(t); !layer.empty()) layers.push_back(layer);
  }
  std::sort(layers.begin(), layers.end());
  layers.erase(std::unique(layers.begin(), layers.end()), layers.end());
  auto const& metadata = input.metadata();
  bool const declared =
      std::any_of(metadata.begin(), metadata.end(), [](auto const& m) { return m.first == quant_metadata_key; });
  if (layers.empty() && !declared) return;
  std::string text = "the input is already quantized: ";
  if (layers.empty()) text += "its metadata holds " + std::string(quant_metadata_key);
  for (std::size_t i = 0; i < std::min<std::size_t>(layers.size(), 4); ++i) text += (i == 0 ? "" : ", ") + quoted(layers[i]);
  if (layers.size() > 4) text += " and " + std::to_string(layers.size() - 4) + " more layers";
  throw usage_error(stated("layers.already_quantized", "{found}; convert the original model, in F32, F16 or BF16",
                           {{"found", text}, {"layers", layers.size()}}));
}

}  // namespace halfstep
