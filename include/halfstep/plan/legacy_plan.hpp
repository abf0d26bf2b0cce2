// What becomes of a file whose layers are quantized in an older form: markers beside the same codes.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include <boost/json/object.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>

#include <halfstep/core/dtype.hpp>
#include <halfstep/core/error.hpp>
#include <halfstep/core/extents.hpp>
#include <halfstep/core/source.hpp>
#include <halfstep/core/text.hpp>
#include <halfstep/layout/geometry/per_row.hpp>
#include <halfstep/layout/geometry/per_tensor.hpp>
#include <halfstep/plan/plan_remarks.hpp>
#include <halfstep/plan/stored_layers.hpp>
#include <halfstep/plan/weight_role.hpp>
#include <halfstep/recipe/artifact.hpp>
#include <halfstep/recipe/comfy_quant.hpp>
#include <halfstep/recipe/comfyui_version.hpp>
#include <halfstep/recipe/contract.hpp>
#include <halfstep/recipe/format.hpp>
#include <halfstep/recipe/marker.hpp>
#include <halfstep/recipe/marker_json.hpp>
#include <halfstep/recipe/recipe.hpp>
#include <halfstep/recipe/stored_layer.hpp>
#include <halfstep/safetensors/header.hpp>

namespace halfstep {

/// What a tensor of the new file holds.
enum class legacy_content : std::uint8_t {
  copy,    ///< the bytes of the input's tensor
  scales,  ///< its numbers, all above zero, in FP32
  marker   ///< a text
};

/// A tensor of the new file.
struct legacy_tensor {
  safetensors::tensor_spec spec;
  legacy_content what = legacy_content::copy;
  std::string from = {};  ///< the input's tensor; empty for a marker
  std::string text = {};  ///< of a marker
};

/// The new file, before a byte of codes is read.
struct legacy_plan {
  std::vector<legacy_tensor> tensors;
  std::vector<std::string> notes;  ///< one sentence each
  std::size_t marked = 0;          ///< layers that get a marker
  std::size_t repaired = 0;        ///< markers that get a format
  loader needs = loader::any;      ///< the most particular program that any of these layers needs
  comfyui_version since = {};      ///< the first of stock ComfyUI that loads all of them that are its
  contract expected;
  safetensors::header output;
};

namespace detail {

/// Makes the plan, layer by layer.
template <class Read>
class legacy_planner {
 public:
  legacy_planner(safetensors::header const& input, stored_model const& stored, std::span<format const> formats,
                 marker_style markers, Read& read)
      : input_(input), stored_(stored), formats_(formats), read_(read) {
    plan_.expected.markers = markers;
  }

  legacy_plan make() {
    for (auto const& [name, layer] : stored_.layers) decide(name, layer);
    if (!refused_.empty())
      throw usage_error(message{"legacy.unclear_layers",
                                "`legacy_conversion` cannot tell how " + layers_in_words(refused_.size()) +
                                    (refused_.size() == 1 ? " is" : " are") + " stored: " + some_of(refused_) +
                                    "; get the model in a newer form, or `requantize` it",
                                {{"layers", std::to_string(refused_.size())}}});
    if (plan_.marked + plan_.repaired == 0)
      throw usage_error(message{"legacy.nothing_to_do",
                                "`legacy_conversion` finds nothing to do: no layer has a `scale_weight` or `scale_input`, and no "
                                "marker lacks its format"});
    for (auto const& t : input_.tensors()) {
      if (replaced_.contains(t.name)) continue;
      if (is_scaled_fp8_flag(t.name)) continue;  // markers say it now, layer by layer
      plan_.tensors.push_back({{t.name, t.type, t.shape}, legacy_content::copy, t.name});
      if (!of_layers_.contains(t.name)) plan_.expected.copied.push_back({t.name, t.type, t.shape});
    }
    if (dropped_ != 0)
      plan_.notes.push_back(std::to_string(dropped_) + " `scale_input` of 1 left out: loaders take them for no scale at all");
    plan_.expected.metadata = input_.metadata();
    std::erase_if(plan_.expected.metadata, [](auto const& pair) { return pair.first == quant_metadata_key; });
    for (auto const& [name, layer] : stored_.layers)
      if (!layer.declared.empty()) plan_.expected.declared.emplace_back(name, layer.declared);
    auto metadata = plan_.expected.metadata;
    if (!plan_.expected.declared.empty())
      metadata.emplace_back(std::string(quant_metadata_key),
                            quant_metadata_text({}, plan_.expected.markers, plan_.expected.declared));
    std::vector<safetensors::tensor_spec> specs;
    for (auto const& t : plan_.tensors) specs.push_back(t.spec);
    plan_.output = safetensors::arrange(std::move(specs), std::move(metadata));
    return std::move(plan_);
  }

 private:
  void decide(std::string const& name, stored_layer const& layer) {
    auto const older = [&](std::string_view ending) { return input_.find(name + std::string(ending)) != nullptr; };
    bool const legacy = older(".scale_weight") || older(".scale_input");
    bool const unnamed = !layer.marker.empty() && format_of(layer.marker).empty();
    if ((!legacy && !unnamed) || !layer.codes.format.name.empty()) return;
    if (!layer.obstacle.empty()) return refuse(name, layer.obstacle);
    if (!layer.declared.empty()) return refuse(name, "the header's metadata speaks of it too");
    if (!layer.doubt.empty()) return refuse(name, "no marker says that its columns are not rotated");
    auto const& codes = *input_.find(name + ".weight");
    if (layer.codes.scales.empty()) return refuse(name, "it has no scale");
    auto how = recipe_of(codes, layer.codes, name);
    if (!how && codes.type != dtype::f8_e5m2)
      return refuse(name, layer.codes.group.rows > 1 ? "no format is known here for " + shape_text(codes.shape) +
                                                           " in blocks of " + detail::sides_text(layer.codes.group)
                                                     : "no marker says FP8 with a scale a row");
    if (codes.type == dtype::f8_e5m2 && layer.codes.group != shape_of(codes))
      return refuse(name, "no marker says F8_E5M2 with more than one scale");
    if (auto const why = contradiction(codes, layer, how); !why.empty()) return refuse(name, why);
    add(name, codes, layer, std::move(how));
    ++(legacy ? plan_.marked : plan_.repaired);
  }

  void refuse(std::string const& name, std::string const& why) { refused_.push_back(quoted(name) + ", because " + why); }

  static extents2 shape_of(safetensors::tensor const& t) {
    return {static_cast<index_t>(t.shape[0]), static_cast<index_t>(t.shape[1])};
  }

  /// Returns the object that the layer's marker holds; an empty one where it has none.
  static boost::json::object said_by(stored_layer const& layer) {
    return layer.marker.empty() ? boost::json::object() : boost::json::parse(layer.marker).get_object();
  }

  static std::string format_of(std::string const& marker) {
    auto const value = boost::json::parse(marker);
    auto const* const format = value.get_object().if_contains("format");
    return format != nullptr && format->is_string() ? std::string(format->get_string()) : std::string();
  }

  /// Returns what the layer's marker says that its shapes do not: loaders would believe the marker.
  std::string contradiction(safetensors::tensor const& codes, stored_layer const& layer, std::optional<recipe> const& how) const {
    auto const said = said_by(layer);
    auto const shape = shape_text(input_.find(layer.codes.scales)->shape);
    bool const rows = layer.codes.group == extents2{1, shape_of(codes).columns};
    if (how && !how->bases.empty() && !rows)
      return "its marker says that it is rotated, and its scales of the shape " + shape + " are not one a row";
    if (auto const* per_row = said.if_contains("per_row"); per_row != nullptr && *per_row != boost::json::value(rows))
      return "its marker says per_row " + boost::json::serialize(*per_row) + ", and its scales have the shape " + shape;
    auto const* const side = said.if_contains("group_size");
    if (how && how->format.side != 0 && side != nullptr && *side != boost::json::value(how->format.side))
      return "its marker says group_size " + boost::json::serialize(*side) + ", and its scales are those of blocks of " +
             std::to_string(how->format.side);
    return {};
  }

  /// Returns how the layer would be stored by a recipe; nothing where none stores it so.
  std::optional<recipe> recipe_of(safetensors::tensor const& codes, code_source const& source, std::string const& name) const {
    extents2 const e = shape_of(codes);
    std::string_view const shared = source.group == e                        ? per_tensor::name
                                    : source.group == extents2{1, e.columns} ? per_row::name
                                                                             : "block";
    for (format const& known : formats_) {
      if (known.codes != codes.type || known.geometry != shared) continue;
      if (known.side != 0 && source.group != extents2{known.side, known.side}) continue;
      if (!known.fits(e)) continue;
      recipe how{.format = known, .bases = source.bases};
      if (wants_full_precision(name)) how.matmul = matmul_precision::full;
      return how;
    }
    return std::nullopt;
  }

  /// Whether a `scaled_fp8` of two elements speaks of the layer: that is how the older form asks for full precision.
  bool wants_full_precision(std::string_view layer) const {
    return std::ranges::any_of(stored_.flags, [&](std::string_view flag) {
      auto const prefix = flag.substr(0, flag.size() - scaled_fp8_flag.size());
      return layer.starts_with(prefix) && input_.find(flag)->count() == 2;
    });
  }

  std::string text_for(std::optional<recipe> const& how) const {
    return how ? marker_text(*how, plan_.expected.markers) : R"({"format": "float8_e5m2"})";
  }

  /// Gives a layer a marker, which says what an older one said besides, and its scales the name, type and shape of loaders.
  void add(std::string const& name, safetensors::tensor const& codes, stored_layer const& layer, std::optional<recipe> how) {
    std::size_t const first = plan_.tensors.size();
    bool const says_more = add_marker(name, layer, how);
    auto const scales = how ? scale_shape(how->format, shape_of(codes), plan_.expected.markers, lone_scale::scalar)
                            : std::vector<std::uint64_t>{};
    take_scales(layer.codes.scales, {name + ".weight_scale", dtype::f32, scales});
    layer_additions added;
    if (auto const* scale = input_.find(name + ".scale_input"); scale != nullptr) {
      if (scale->count() != 1 || bits_of(scale->type) < 16) return refuse(name, "its `scale_input` is not one number");
      if (input_.find(name + ".input_scale") != nullptr) return refuse(name, "it has both `input_scale` and `scale_input`");
      if (is_one(*scale)) {
        ++dropped_;
        replaced_.insert(scale->name);
      } else {
        take_scales(scale->name, {name + ".input_scale", dtype::f32, {}});
        added.input_scale = activation_scales::store;
      }
    }
    note_loader(codes, how);
    if (!how || says_more || input_.find(name + ".input_scale") != nullptr) {
      for (auto const& t : std::span(plan_.tensors).subspan(first)) plan_.expected.copied.push_back(t.spec);
      return;
    }
    of_layers_.insert(codes.name);
    plan_.expected.layers.push_back({name, shape_of(codes), *how, added});
  }

  /// Notes who loads a layer, and since when; `how` is nothing for F8_E5M2 with one scale.
  void note_loader(safetensors::tensor const& codes, std::optional<recipe> const& how) {
    constexpr comfyui_versions e5m2_since{.multiplied = {0, 8}, .looked_up = {0, 21}};
    auto const use = use_of(roles_.of(codes.name, shape_of(codes)));
    plan_.needs = std::max(plan_.needs, how ? loader_of(*how, plan_.expected.markers) : loader::stock_comfyui);
    plan_.since = std::max(plan_.since, how ? version_of(*how, plan_.expected.markers, use) : e5m2_since.of(use));
  }

  /// Returns whether the marker says more than the recipe.
  bool add_marker(std::string const& name, stored_layer const& layer, std::optional<recipe> const& how) {
    boost::json::object marker = boost::json::parse(text_for(how)).get_object();
    std::size_t const known = marker.size();
    for (auto const& pair : said_by(layer))
      if (pair.key() != "format") marker[pair.key()] = pair.value();
    std::string text = marker_json(marker);
    safetensors::tensor_spec spec{name + ".comfy_quant", dtype::u8, {text.size()}};
    replaced_.insert(spec.name);
    plan_.tensors.push_back({std::move(spec), legacy_content::marker, {}, std::move(text)});
    return marker.size() != known || plan_.tensors.back().text != text_for(how);
  }

  void take_scales(std::string const& from, safetensors::tensor_spec to) {
    replaced_.insert(from);
    plan_.tensors.push_back({std::move(to), legacy_content::scales, from});
  }

  bool is_one(safetensors::tensor const& scale) const {
    float value = 0.0f;
    with_source_type(scale.type, [&]<class Source>(std::type_identity<Source>) {
      Source stored{};
      read_(scale, 0, std::as_writable_bytes(std::span(&stored, 1)));
      value = widen(stored);
    });
    return value == 1.0f;
  }

  safetensors::header const& input_;
  stored_model const& stored_;
  std::span<format const> formats_;
  Read& read_;
  std::set<std::string, std::less<>> replaced_;   ///< tensors of the input that are not in the output under their name
  std::set<std::string, std::less<>> of_layers_;  ///< tensors that the contract knows as a layer's
  std::vector<std::string> refused_;
  std::size_t dropped_ = 0;
  weight_roles roles_{input_};
  legacy_plan plan_;
};

}  // namespace detail

/// Returns the file `input`, whose layers `stored` describes, with markers: `scale_weight` and `scale_input` get their newer
/// names and FP32, every such layer a marker, a marker without a format the one that the shapes decide, and `scaled_fp8` goes.
/// What a marker says besides its format it keeps.
///
/// `read(tensor, offset, bytes)` fetches scales of activations; codes are not touched. Throws usage_error where a layer's form
/// cannot be told, naming all such layers, and where there is nothing to do.
template <class Read>
legacy_plan plan_legacy(safetensors::header const& input, stored_model const& stored, std::span<format const> formats,
                        marker_style markers, Read&& read) {
  return detail::legacy_planner<std::remove_reference_t<Read>>(input, stored, formats, markers, read).make();
}

}  // namespace halfstep
