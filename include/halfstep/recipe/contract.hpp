// What loaders demand of a finished file, checked on the file itself.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <halfstep/core/error.hpp>
#include <halfstep/core/extents.hpp>
#include <halfstep/core/text.hpp>
#include <halfstep/core/words.hpp>
#include <halfstep/recipe/artifact.hpp>
#include <halfstep/recipe/comfy_quant.hpp>
#include <halfstep/recipe/format.hpp>
#include <halfstep/recipe/marker.hpp>
#include <halfstep/recipe/marker_facts.hpp>
#include <halfstep/recipe/recipe.hpp>
#include <halfstep/recipe/stored_layer.hpp>
#include <halfstep/safetensors/header.hpp>

namespace halfstep {

/// A quantized layer that a file must hold.
struct contract_layer {
  std::string name;  ///< without `.weight`
  extents2 shape;
  recipe how;
  layer_additions added = {};
};

/// What a finished file must hold: these layers, these copies, this metadata, and nothing else.
struct contract {
  std::vector<contract_layer> layers = {};
  std::vector<safetensors::tensor_spec> copied = {};  ///< tensors that pass through
  safetensors::metadata_list metadata = {};           ///< pairs that the file must hold
  std::vector<format> formats = {};                   ///< that markers can name, beside those of the layers
  marker_style markers = marker_style::comfyui;
  lone_scale scalars = lone_scale::scalar;
  quant_metadata saved = quant_metadata::omit;
  std::vector<std::pair<std::string, std::string>> declared = {};  ///< layers that were quantized before, and the objects that
                                                                   ///< the metadata holds of them, as JSON
};

namespace detail {

/// One layer of a finished file, and the rules it obeys.
template <class Read>
class layer_check {
 public:
  layer_check(safetensors::header const& file, contract const& expected, contract_layer const& layer,
              std::span<format const> formats, Read& read)
      : file_(file), expected_(expected), layer_(layer), formats_(formats), read_(read) {}

  void run() const {
    need_additions();
    refuse_stale();
    auto const& codes = need(".weight", layer_.how.format.codes);
    extents2 const stored = stored_extents(layer_.how, layer_.shape);
    need_shape(codes, {static_cast<std::uint64_t>(stored.rows), static_cast<std::uint64_t>(stored.columns)});
    if (!layer_.how.format.has_scales()) return;
    auto const& scales =
        need(expected_.markers == marker_style::none ? ".scale_weight" : ".weight_scale", layer_.how.format.scales);
    need_shape(scales, scale_shape(layer_.how.format, stored, expected_.markers, expected_.scalars));
    need_positive(scales);
    if (expected_.markers == marker_style::none) return;
    std::string const text = marker_in_file();
    marker_facts(layer_.name, text, formats_).check(codes, scales, expected_.markers);
    if (auto const wanted = marker_text(layer_.how, expected_.markers); text != wanted)
      fail(stated("contract.marker", "its marker is {marker} but its recipe says {wanted}",
                  {{"marker", text}, {"wanted", wanted}}));
  }

 private:
  [[noreturn]] void fail(message rule) const {
    throw contract_error(within(std::move(rule), "layer {'layer}: {why}", {{"layer", layer_.name}}));
  }

  safetensors::tensor const& need(std::string_view ending, dtype type) const {
    auto const* found = file_.find(layer_.name + std::string(ending));
    if (found == nullptr)
      fail(stated("contract.missing", "it has no tensor `{tensor}{ending}`", {{"tensor", layer_.name}, {"ending", ending}}));
    if (found->type != type)
      fail(stated("contract.type", "`{tensor}` is {type}, not {wanted}",
                  {{"tensor", found->name}, {"type", name_of(found->type)}, {"wanted", name_of(type)}}));
    return *found;
  }

  void need_shape(safetensors::tensor const& t, std::vector<std::uint64_t> const& shape) const {
    if (t.shape != shape)
      fail(stated("contract.shape", "`{tensor}` has the shape {shape}, not {wanted}",
                  {{"tensor", t.name}, {"shape", shape_text(t.shape)}, {"wanted", shape_text(shape)}}));
  }

  void need_additions() const {
    for (auto const& part :
         artifacts_of(layer_.name, layer_.shape, layer_.how, expected_.markers, expected_.scalars, layer_.added)) {
      if (part.role == artifact_role::codes || part.role == artifact_role::scales || part.role == artifact_role::marker) continue;
      auto const& found = need(std::string_view(part.spec.name).substr(layer_.name.size()), part.spec.type);
      need_shape(found, part.spec.shape);
      if (part.role == artifact_role::input_scale) need_positive(found);
    }
    if (!layer_.how.format.has_scales()) return;
    for (auto const& part : companions_of(layer_.how.bases, layer_.shape)) need_values(part);
  }

  /// Checks what is known beforehand of the numbers of a tensor that belongs to a basis.
  void need_values(companion const& part) const {
    auto const& found = need(part.ending, part.type);
    if (part.values == companion_values::positive) return need_positive(found);
    if (part.values == companion_values::signs) return need_signs(found);
    if (part.values == companion_values::given) need_bytes(found, part.bytes);
  }

  /// Refuses what the input held of the layer as it was quantized before: a loader would apply it to other codes.
  void refuse_stale() const {
    auto const wanted = artifacts_of(layer_.name, layer_.shape, layer_.how, expected_.markers, expected_.scalars, layer_.added);
    for (auto const ending : companion_endings) {
      std::string const name = layer_.name + std::string(ending);
      if (file_.find(name) != nullptr && std::ranges::none_of(wanted, [&](auto const& part) { return part.spec.name == name; }))
        fail(stated("contract.left_over", "`{tensor}` is left of codes that are gone", {{"tensor", name}}));
    }
  }

  void need_positive(safetensors::tensor const& scales) const { need_positive_scales(layer_.name, scales, read_); }

  void need_bytes(safetensors::tensor const& t, std::vector<std::byte> const& wanted) const {
    std::vector<std::byte> bytes(t.bytes());
    read_(t, 0, bytes);
    if (bytes != wanted)
      fail(stated("contract.value", "`{tensor}` is {value}, not {wanted}",
                  {{"tensor", t.name}, {"value", number_text(t.type, bytes)}, {"wanted", number_text(t.type, wanted)}}));
  }

  /// Returns the first whole number in `bytes`, as text.
  static std::string number_text(dtype type, std::vector<std::byte> const& bytes) {
    std::int32_t wide = 0;
    std::int8_t narrow = 0;
    if (type == dtype::i8) std::memcpy(&narrow, bytes.data(), sizeof(narrow));
    if (type == dtype::i32) std::memcpy(&wide, bytes.data(), sizeof(wide));
    return std::to_string(type == dtype::i8 ? narrow : wide);
  }

  void need_signs(safetensors::tensor const& t) const {
    std::vector<float> signs(t.bytes() / sizeof(float));
    read_(t, 0, std::as_writable_bytes(std::span(signs)));
    for (float const sign : signs)
      if (sign != 1.0f && sign != -1.0f)
        fail(stated("contract.sign", "`{tensor}` holds the sign {value}", {{"tensor", t.name}, {"value", sign}}));
  }

  std::string marker_in_file() const {
    auto const& marker = need(".comfy_quant", dtype::u8);
    if (marker.shape.size() != 1 || marker.bytes() > 4096)
      fail(stated("contract.marker_shape", "its marker has the shape {shape}", {{"shape", shape_text(marker.shape)}}));
    std::string text(marker.bytes(), '\0');
    read_(marker, 0, std::as_writable_bytes(std::span(text)));
    return text;
  }

  safetensors::header const& file_;
  contract const& expected_;
  contract_layer const& layer_;
  std::span<format const> formats_;  ///< that are known
  Read& read_;
};

/// Returns the names of all tensors that a file under `expected` holds.
inline std::set<std::string, std::less<>> names_under(contract const& expected) {
  std::set<std::string, std::less<>> names;
  for (auto const& layer : expected.layers)
    for (auto const& part : artifacts_of(layer.name, layer.shape, layer.how, expected.markers, expected.scalars, layer.added))
      names.insert(part.spec.name);
  for (auto const& copy : expected.copied) names.insert(copy.name);
  return names;
}

inline void check_metadata(safetensors::header const& file, contract const& expected) {
  auto const& pairs = file.metadata();
  auto const value_of = [&](std::string_view key) -> std::string const* {
    auto const found = std::find_if(pairs.begin(), pairs.end(), [&](auto const& pair) { return pair.first == key; });
    return found == pairs.end() ? nullptr : &found->second;
  };
  for (auto const& [key, value] : expected.metadata)
    if (auto const* found = value_of(key); found == nullptr || *found != value)
      throw contract_error(stated("contract.metadata_lost", "metadata {'key}: it was not carried over", {{"key", key}}));
  std::vector<std::pair<std::string, recipe>> layers;
  for (auto const& layer : expected.layers) layers.emplace_back(layer.name, layer.how);
  auto const* saved = value_of(quant_metadata_key);
  if (expected.saved == quant_metadata::omit) layers.clear();
  bool const wanted = expected.saved == quant_metadata::save || !expected.declared.empty();
  if (!wanted && saved != nullptr)
    throw contract_error(stated("contract.metadata_stale", "metadata '{key}': stale, and it would override the markers",
                                {{"key", quant_metadata_key}}));
  if (wanted && (saved == nullptr || *saved != quant_metadata_text(layers, expected.markers, expected.declared)))
    throw contract_error(
        stated("contract.metadata_differs", "metadata '{key}': it differs from the markers", {{"key", quant_metadata_key}}));
}

}  // namespace detail

/// Checks a finished file against what its loaders demand and what was planned.
///
/// For every layer: the codes' type and shape; FP32 scales of the right shape, finite and above zero; a marker that is a JSON
/// object without NUL, names a known format and agrees with the shapes; the type and shape of a corrected bias; a scale of
/// activations like the other scales; for copies the type and shape; no tensor beside these; all metadata. `read(tensor, offset,
/// bytes)` fetches bytes of the file; markers and scales are read, codes are not. Throws contract_error naming the layer and the
/// rule.
template <class Read>
void check_contract(safetensors::header const& file, contract const& expected, Read&& read) {
  auto const names = detail::names_under(expected);
  for (auto const& t : file.tensors())
    if (!names.contains(t.name))
      throw contract_error(stated("contract.unknown_tensor", "tensor {'tensor}: it belongs to no layer and to no input tensor",
                                  {{"tensor", t.name}}));
  std::vector<format> formats = expected.formats;
  for (auto const& layer : expected.layers)
    if (std::find(formats.begin(), formats.end(), layer.how.format) == formats.end()) formats.push_back(layer.how.format);
  for (auto const& layer : expected.layers) detail::layer_check(file, expected, layer, formats, read).run();
  for (auto const& copy : expected.copied) {
    auto const* found = file.find(copy.name);
    if (found == nullptr)
      throw contract_error(stated("contract.lost", "tensor {'tensor}: it was not carried over", {{"tensor", copy.name}}));
    if (found->type != copy.type || found->shape != copy.shape)
      throw contract_error(
          stated("contract.changed", "tensor {'tensor}: its type or shape changed on the way", {{"tensor", copy.name}}));
  }
  detail::check_metadata(file, expected);
}

}  // namespace halfstep
