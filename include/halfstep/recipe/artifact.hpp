// The tensors that a recipe writes for a layer: names, element types and shapes, before any byte is read.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <halfstep/core/dtype.hpp>
#include <halfstep/core/error.hpp>
#include <halfstep/core/extents.hpp>
#include <halfstep/core/text.hpp>
#include <halfstep/recipe/file_trait.hpp>
#include <halfstep/recipe/format.hpp>
#include <halfstep/recipe/marker.hpp>
#include <halfstep/recipe/recipe.hpp>
#include <halfstep/safetensors/header.hpp>

namespace halfstep {

/// How a scale that covers a whole tensor is shaped.
enum class lone_scale : std::uint8_t {
  scalar,  ///< []
  vector   ///< [1]
};

/// What an output tensor holds.
enum class artifact_role : std::uint8_t {
  codes,
  scales,
  marker,
  basis,  ///< something that its transforms need to be undone
  input_scale,
  bias,
  copy
};

/// One tensor of a quantized layer.
struct artifact {
  artifact_role role;
  safetensors::tensor_spec spec;
};

/// Whether layers get a static scale for their activations.
enum class activation_scales : std::uint8_t { omit, store };

/// What a layer gets beside its codes, scales and marker because its inputs are known.
struct layer_additions {
  std::optional<dtype> bias = std::nullopt;  ///< type of its bias [M], where that is corrected and written with the layer
  activation_scales input_scale = activation_scales::omit;
};

/// Returns the name of the layer whose weight is called `weight`, that is `P` for `P.weight`; empty for any other name.
constexpr std::string_view layer_of(std::string_view weight) {
  constexpr std::string_view ending = ".weight";
  return weight.size() > ending.size() && weight.ends_with(ending) ? weight.substr(0, weight.size() - ending.size())
                                                                   : std::string_view{};
}

/// Returns the names of a model's layers: what has a 2-D weight.
inline std::vector<std::string> layers_in(safetensors::header const& model) {
  std::vector<std::string> layers;
  for (auto const& t : model.tensors())
    if (t.shape.size() == 2 && !layer_of(t.name).empty()) layers.emplace_back(layer_of(t.name));
  return layers;
}

/// Returns the name of the static scale of a layer's activations; the older one without markers.
inline std::string input_scale_name(std::string_view layer, marker_style style) {
  return std::string(layer) + (style == marker_style::none ? ".scale_input" : ".input_scale");
}

/// Returns the shape of a scale that covers a whole tensor.
inline std::vector<std::uint64_t> lone_shape(lone_scale lone) {
  return lone == lone_scale::scalar ? std::vector<std::uint64_t>{} : std::vector{std::uint64_t{1}};
}

/// Returns the shape of the scales of codes of shape `e`; meaningless for a format that has none.
///
/// That of the groups, but a tensor's one scale is shaped as `lone` says, and a scale a row lies as markers of `style` have it.
inline std::vector<std::uint64_t> scale_shape(format const& f, extents2 e, marker_style style, lone_scale lone) {
  if (f.geometry == "tensor") return lone_shape(lone);
  extents2 const groups = f.groups(e);
  auto const rows = static_cast<std::uint64_t>(groups.rows);
  if (f.geometry == "row" && f.files.in(style).rows == row_scales::flat) return {rows};
  return {rows, static_cast<std::uint64_t>(groups.columns)};
}

/// Returns the tensors that `r` writes for the weight of `layer`, codes first.
///
/// The weight is [M, N], its codes have the shape that `stored_extents` says. A bias is among them where `added` says so; it
/// passes through otherwise. What is added comes last; fp16 stores no scale for activations. Throws shape_error where the recipe
/// cannot store the shape.
inline std::vector<artifact> artifacts_of(std::string_view layer, extents2 e, recipe const& r, marker_style style,
                                          lone_scale lone = lone_scale::scalar, layer_additions const& added = {}) {
  std::string const prefix(layer);
  if (auto const why = obstacle(r, e); !why.empty())
    throw shape_error(stated("shape.misfit", "cannot quantize '{layer}.weight': {reason}", {{"layer", prefix}, {"reason", why}}));
  extents2 const stored = stored_extents(r, e);
  auto const shape = std::vector{static_cast<std::uint64_t>(stored.rows), static_cast<std::uint64_t>(stored.columns)};
  bool const older = style == marker_style::none;
  std::vector<artifact> all{{artifact_role::codes, {prefix + ".weight", r.format.codes, shape}}};
  if (r.format.has_scales()) {
    auto const scales = prefix + (older ? ".scale_weight" : ".weight_scale");
    all.push_back({artifact_role::scales, {scales, r.format.scales, scale_shape(r.format, stored, style, lone)}});
    if (!older) all.push_back({artifact_role::marker, {prefix + ".comfy_quant", dtype::u8, {marker_text(r, style).size()}}});
    for (auto const& choice : r.bases)
      if (older && choice.row.needs == loader::own && !marker_of({&choice, 1}).empty())
        throw usage_error(stated("marker.needed", "only a marker can say that layer {'layer} is in the basis {basis}",
                                 {{"layer", layer}, {"basis", choice.words()}}));
    for (auto const& part : companions_of(r.bases, e))
      all.push_back({artifact_role::basis, {prefix + part.ending, part.type, part.shape}});
    if (added.input_scale == activation_scales::store)
      all.push_back({artifact_role::input_scale, {input_scale_name(layer, style), dtype::f32, lone_shape(lone)}});
  }
  if (added.bias) all.push_back({artifact_role::bias, {prefix + ".bias", *added.bias, {static_cast<std::uint64_t>(e.rows)}}});
  return all;
}

}  // namespace halfstep
