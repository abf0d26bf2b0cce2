// Which layers of a file are quantized already, and how: from names, shapes and markers.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <boost/json/object.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>

#include <halfstep/core/dtype.hpp>
#include <halfstep/core/error.hpp>
#include <halfstep/core/text.hpp>
#include <halfstep/core/words.hpp>
#include <halfstep/layout/e4m3_grid.hpp>
#include <halfstep/layout/fp8_axis.hpp>
#include <halfstep/layout/symmetric_grid.hpp>
#include <halfstep/plan/foreign_scales.hpp>
#include <halfstep/recipe/artifact.hpp>
#include <halfstep/recipe/bases.hpp>
#include <halfstep/recipe/basis_row.hpp>
#include <halfstep/recipe/comfy_quant.hpp>
#include <halfstep/recipe/contract.hpp>
#include <halfstep/recipe/file_trait.hpp>
#include <halfstep/recipe/format.hpp>
#include <halfstep/recipe/marker_json.hpp>
#include <halfstep/recipe/recipe.hpp>
#include <halfstep/recipe/stored_blocks.hpp>
#include <halfstep/recipe/stored_layer.hpp>
#include <halfstep/safetensors/header.hpp>

namespace halfstep {

namespace detail {

/// Returns the layer that the tensor shows to be quantized already; empty where it shows nothing of the kind.
inline std::string_view quantized_layer_shown_by(safetensors::tensor const& t) {
  std::string_view const name = t.name;
  for (auto const ending : companion_endings)
    if (name.ends_with(ending)) return name.substr(0, name.size() - ending.size());
  bool const is_code = bits_of(t.type) <= 8 && t.type != dtype::boolean;
  return is_code && t.shape.size() == 2 ? layer_of(name) : std::string_view{};
}

/// Returns the layer to which the tensor says something in a way that is not known here; empty where it does not.
inline std::string_view layer_of_stranger(std::string_view name) {
  for (auto const ending : companion_endings)
    if (name.ends_with(ending)) return {};
  std::size_t const dot = name.rfind('.');
  if (dot == std::string_view::npos || name.ends_with(".weight")) return {};
  std::string_view const leaf = name.substr(dot + 1);
  std::string_view const parent = name.substr(0, dot);
  for (std::string_view const word : {"scale", "zero", "quant", "absmax"})
    if (leaf.find(word) != std::string_view::npos) return layer_of(parent).empty() ? parent : layer_of(parent);
  return {};
}

/// What markers say: of `P`, the object in the header's metadata before that in the tensor.
class stored_layer_reader {
 public:
  using declarations = std::map<std::string, boost::json::value, std::less<>>;

  stored_layer_reader(safetensors::header const& file, std::span<format const> formats, declarations const& declared,
                      std::map<std::string_view, std::string_view> const& strangers, stated_blocks const& beside,
                      std::span<basis_choice const> bases)
      : file_(file), formats_(formats), declared_(declared), strangers_(strangers), beside_(beside), bases_(bases) {}

  /// Returns what the file holds of `layer`; `read(tensor, offset, bytes)` fetches the bytes of its marker.
  template <class Read>
  stored_layer operator()(std::string_view layer, Read& read) const {
    std::string const name(layer);
    stored_layer found;
    for (auto const ending : companion_endings)
      if (file_.find(name + std::string(ending)) != nullptr) found.companions.push_back(name + std::string(ending));
    boost::json::value marker = marker_of(name, read);
    if (marker.is_object()) found.marker = boost::json::serialize(marker);
    if (auto const said = declared_.find(layer); said != declared_.end()) {
      marker = said->second;
      found.declared = spaced_json(said->second);
    }
    auto const* const codes = file_.find(name + ".weight");
    auto const* const scales = scales_of(name);
    found.words = words_of(codes, scales, marker);
    found.obstacle = obstacle_of(name, codes, scales, marker);
    if (!found.obstacle.empty()) return found;
    extents2 const e{static_cast<index_t>(codes->shape[0]), static_cast<index_t>(codes->shape[1])};
    found.codes.bases = own_bases_in(marker);
    if (auto const* const own = own_format_in(marker); own != nullptr) {
      found.codes.scales = scales->name;
      found.codes.format = *own;
    } else if (scales != nullptr) {
      found.codes.scales = scales->name;
      found.codes.group = sharing_of(*codes, *scales, marker).group;
    }
    rotate_by(found.codes.bases, static_cast<int>(rotation_in(marker)));
    if (codes->type == dtype::i8 && marker.is_null() && found.codes.group == extents2{1, e.columns})
      found.doubt = "no marker says that their columns are not rotated";
    return found;
  }

 private:
  template <class Read>
  boost::json::value marker_of(std::string const& layer, Read& read) const {
    auto const* const t = file_.find(layer + ".comfy_quant");
    if (t == nullptr) return nullptr;
    constexpr std::uint64_t longest = 4096;
    if (t->type != dtype::u8 || t->bytes() > longest) return false;
    std::string text(t->bytes(), '\0');
    read(*t, 0, std::as_writable_bytes(std::span(text)));
    boost::system::error_code why;
    auto value = boost::json::parse(text, why);
    if (why || !value.is_object()) return false;  // neither an object nor none at all
    return value;
  }

  safetensors::tensor const* scales_of(std::string const& layer) const {
    for (auto const ending : scale_endings)
      if (auto const* const found = file_.find(layer + std::string(ending)); found != nullptr) return found;
    return nullptr;
  }

  static std::string format_in(boost::json::value const& marker) {
    if (!marker.is_object()) return {};
    auto const* const format = marker.get_object().if_contains("format");
    return format != nullptr && format->is_string() ? std::string(format->get_string()) : std::string();
  }

  /// Returns the columns rotated together: 0 for none, -1 where the marker does not say what it should.
  static std::int64_t rotation_in(boost::json::value const& marker) {
    if (!marker.is_object()) return 0;
    auto const* const rotated = marker.get_object().if_contains("convrot");
    if (rotated == nullptr || (rotated->is_bool() && !rotated->get_bool())) return 0;
    auto const* const group = marker.get_object().if_contains("convrot_groupsize");
    return rotated->is_bool() && group != nullptr && group->is_int64() && group->get_int64() > 0 ? group->get_int64() : -1;
  }

  /// Returns whether its numbers are codes times scales in one of the ways that `scale_sharing_of` knows.
  static bool is_product(format const& f) { return f.grid == symmetric_grid<127>::name || f.grid == e4m3_grid::name; }

  /// Returns the format of the program's table that the marker names and that has a way of its own to decode; null without one.
  format const* own_format_in(boost::json::value const& marker) const {
    auto const name = format_in(marker);
    if (name.empty()) return nullptr;
    auto const* const side = marker.get_object().if_contains("group_size");
    for (format const& f : formats_)
      if (f.has_scales() && !is_product(f))
        for (auto const style : {marker_style::comfyui, marker_style::fork})
          if (f.files.in(style).format == name && (side == nullptr || *side == boost::json::value(f.side))) return &f;
    return nullptr;
  }

  /// Returns those of the bases to be looked for that the marker says all of, in their order.
  std::vector<basis_choice> own_bases_in(boost::json::value const& marker) const {
    std::vector<basis_choice> found;
    if (!marker.is_object()) return found;
    for (auto const& choice : bases_) {
      auto const pairs = halfstep::marker_of(std::span(&choice, 1));
      bool const is_told = !choice.row.mixes_rows && companions_of(std::span(&choice, 1), {1, 1}).empty() && !pairs.empty();
      bool const is_said = is_told && std::ranges::all_of(pairs, [&](auto const& pair) {
                             auto const* const value = marker.get_object().if_contains(pair.first);
                             return value != nullptr && boost::json::serialize(*value) == pair.second;
                           });
      if (is_said) found.push_back(choice);
    }
    return found;
  }

  /// Returns what the marker says to be so and nobody here knows, as a sentence's end; empty for nothing.
  std::string unknown_in(boost::json::value const& marker) const {
    if (!marker.is_object()) return {};
    auto const known = halfstep::marker_of(own_bases_in(marker));
    for (auto const& field : marker.get_object()) {
      std::string_view const key = field.key();
      bool const is_own = std::ranges::any_of(known, [&](auto const& pair) { return pair.first == key; });
      if (is_own || key == "full_precision_matrix_mult" || key == "per_row" || key == "convrot") continue;
      if (field.value() == boost::json::value(true)) return "what its marker says with " + quoted(key) + " is not known";
    }
    return {};
  }

  /// Returns why the kernel of `own` cannot decode the layer, as a sentence's end; empty where it can.
  static std::string misfit_of(format const& own, safetensors::tensor const& codes, safetensors::tensor const* scales) {
    extents2 const e{static_cast<index_t>(codes.shape[0]), static_cast<index_t>(codes.shape[1])};
    if (own.decode == nullptr) return "this program has no kernels for it";
    if (codes.type != own.codes) return "its weight is " + std::string(name_of(codes.type));
    if (scales == nullptr) return "its scales are missing";
    if (scales->type != own.scales) return "its scales are " + std::string(name_of(scales->type));
    if (e.count() == 0 || !own.fits(e)) return "its weight of " + shape_text(codes.shape) + " does not fit it";
    extents2 const groups = own.groups(e);
    auto const wanted = static_cast<std::uint64_t>(groups.count());
    bool const is_flat = scales->shape.size() < 2 && scales->count() == wanted && (groups.columns == 1 || wanted == 1);
    if (is_flat || is_shape(scales->shape, groups)) return {};
    return "its scales have the shape " + shape_text(scales->shape);
  }

  static std::string words_of(safetensors::tensor const* codes, safetensors::tensor const* scales,
                              boost::json::value const& marker) {
    if (codes == nullptr) return "a layer without a weight";
    std::string text = format_in(marker);
    if (text.empty()) text = std::string(name_of(codes->type)) + (scales == nullptr ? " without a scale" : " with scales");
    if (auto const group = rotation_in(marker); group > 0) text += " + convrot " + std::to_string(group);
    return text;
  }

  /// Returns which neighbouring codes share a scale: what the marker says counts first, then what lies beside the model, then the
  /// convention of the name.
  scale_sharing sharing_of(safetensors::tensor const& codes, safetensors::tensor const& scales,
                           boost::json::value const& marker) const {
    extents2 const e{static_cast<index_t>(codes.shape[0]), static_cast<index_t>(codes.shape[1])};
    if (format_in(marker).ends_with("blockwise"))
      if (auto const* const side = marker.get_object().if_contains("group_size"); side != nullptr) {
        if (!side->is_int64() || side->get_int64() <= 0) return {{}, "its marker's group_size is no number above zero"};
        return scale_sharing_of(scales.shape, e, {{side->get_int64(), side->get_int64()}, "its marker"});
      }
    if (codes.type == dtype::i8 || scales.name.ends_with(".scale_weight")) return scale_sharing_of(scales.shape, e, {});
    bool const convention = beside_.shape == extents2{} && scales.name.ends_with(".weight_scale_inv");
    if (!convention) return scale_sharing_of(scales.shape, e, beside_);
    auto const sharing = scale_sharing_of(scales.shape, e, {{128, 128}, "the convention of its name"});
    return sharing.obstacle.empty() ? sharing : scale_sharing_of(scales.shape, e, beside_);
  }

  std::string obstacle_of(std::string const& layer, safetensors::tensor const* codes, safetensors::tensor const* scales,
                          boost::json::value const& marker) const {
    if (codes == nullptr) return "it has no weight";
    if (codes->shape.size() != 2) return "it is no matrix";
    auto const* const own = own_format_in(marker);
    if (own == nullptr && codes->type != dtype::i8 && codes->type != dtype::f8_e4m3 && codes->type != dtype::f8_e5m2)
      return "its weight is " + std::string(name_of(codes->type)) + ", and only I8, F8_E4M3 and F8_E5M2 are decoded";
    for (std::string_view const ending : {".hadamard_quip", ".sign_row", ".sign_col"})
      if (file_.find(layer + std::string(ending)) != nullptr)
        return "it is stored in the basis of QuIP's transform, which is not undone";
    if (file_.find(layer + ".smooth_factors") != nullptr) return "its columns are smoothed, which is not undone";
    if (auto const stranger = strangers_.find(layer); stranger != strangers_.end())
      return "what " + quoted(stranger->second) + " says of it is not known";
    std::vector<std::string> scaled;
    for (auto const ending : scale_endings)
      if (file_.find(layer + std::string(ending)) != nullptr) scaled.push_back("`" + std::string(ending.substr(1)) + "`");
    if (scaled.size() > 1) return "it has both " + scaled[0] + " and " + scaled[1];
    if (!marker.is_null() && !marker.is_object()) return "its marker is no JSON object";
    if (auto unknown = unknown_in(marker); !unknown.empty()) return unknown;
    if (own == nullptr) return contradiction_in(*codes, scales, marker);
    auto misfit = misfit_of(*own, *codes, scales);
    return misfit.empty() ? bad_rotation_in(marker, static_cast<index_t>(codes->shape[1])) : misfit;
  }

  /// Returns the type of the codes of a format whose numbers are codes times scales; nothing for a format that is not known.
  std::optional<dtype> codes_of(std::string_view name) const {
    for (format const& f : formats_)
      if (f.has_scales() && is_product(f))
        for (auto const style : {marker_style::comfyui, marker_style::fork})
          if (f.files.in(style).format == name) return f.codes;
    if (name == "float8_e5m2") return dtype::f8_e5m2;
    if (name == fp8_axis::name) return dtype::f8_e4m3;
    return std::nullopt;
  }

  std::string contradiction_in(safetensors::tensor const& codes, safetensors::tensor const* scales,
                               boost::json::value const& marker) const {
    extents2 const e{static_cast<index_t>(codes.shape[0]), static_cast<index_t>(codes.shape[1])};
    if (scales == nullptr && (codes.type == dtype::i8 || !format_in(marker).empty())) return "its scales are missing";
    if (scales != nullptr && scales->type != dtype::f32 && scales->type != dtype::f16 && scales->type != dtype::bf16 &&
        scales->type != dtype::f64)
      return "its scales are " + std::string(name_of(scales->type));
    if (e.count() == 0) return "its weight of " + shape_text(codes.shape) + " is empty";
    if (scales != nullptr)
      if (auto const sharing = sharing_of(codes, *scales, marker); !sharing.obstacle.empty()) return sharing.obstacle;
    if (auto const format = format_in(marker); !format.empty()) {
      auto const type = codes_of(format);
      if (!type) return "its format is not known here";
      if (*type != codes.type) return "its weight is " + std::string(name_of(codes.type));
    }
    return bad_rotation_in(marker, e.columns);
  }

  static std::string bad_rotation_in(boost::json::value const& marker, index_t columns) {
    auto const rotation = rotation_in(marker);
    if (rotation == 0) return {};
    bool const possible = is_rotation_group(rotation) && columns % rotation == 0;
    return possible ? std::string() : "its marker names no rotation group that divides its columns";
  }

  safetensors::header const& file_;
  std::span<format const> formats_;
  declarations const& declared_;
  std::map<std::string_view, std::string_view> const& strangers_;
  stated_blocks const& beside_;
  std::span<basis_choice const> bases_;
};

/// Returns what the header's metadata says of layers. Throws format_error where it says it in another way.
inline stored_layer_reader::declarations declarations_in(safetensors::header const& file) {
  stored_layer_reader::declarations all;
  for (auto const& [key, text] : file.metadata()) {
    if (key != quant_metadata_key) continue;
    boost::system::error_code why;
    auto const value = boost::json::parse(text, why);
    auto const* const layers = !why && value.is_object() ? value.get_object().if_contains("layers") : nullptr;
    if (layers == nullptr || !layers->is_object())
      throw format_error(stated("metadata.no_layers", "the metadata {'key} of the input holds no JSON object `layers`: remove it",
                                {{"key", key}}));
    for (auto const& [name, said] : layers->get_object()) all.emplace(std::string(name), said);
  }
  return all;
}

}  // namespace detail

/// Returns which layers of `file` are quantized already: those with markers, scales, or a matrix of 8 bits and fewer.
///
/// `read(tensor, offset, bytes)` fetches the bytes of markers; codes and scales are not read. Shapes, markers and what is
/// `beside` the file decide what shares a scale, as `scale_sharing_of` says, and a layer where they contradict each other is not
/// decodable, nor one that names a format which is not among `formats`, or says of itself what is not known. Formats on grids of
/// their own are decoded by their kernels; those of `bases` that keep rows apart and of which markers say all are looked for
/// beside ConvRot. FP8 counts even without a scale.
/// Throws format_error for metadata that is none, and what `read` throws.
template <class Read>
stored_model stored_layers(safetensors::header const& file, std::span<format const> formats, Read&& read,
                           stated_blocks const& beside = {}, std::span<basis_choice const> bases = {}) {
  stored_model found;
  auto const declared = detail::declarations_in(file);
  std::set<std::string_view> names;
  std::map<std::string_view, std::string_view> strangers;
  for (auto const& t : file.tensors()) {
    if (is_scaled_fp8_flag(t.name)) found.flags.push_back(t.name);
    if (auto const layer = detail::quantized_layer_shown_by(t); !layer.empty()) names.insert(layer);
    if (auto const layer = detail::layer_of_stranger(t.name); !layer.empty()) strangers.emplace(layer, t.name);
  }
  for (auto const& [layer, scales] : foreign_scales(file)) strangers.emplace(layer, scales);
  for (auto const& [name, said] : declared) names.insert(name);
  detail::stored_layer_reader const describe(file, formats, declared, strangers, beside, bases);
  for (auto const name : names) found.layers.emplace(name, describe(name, read));
  return found;
}

}  // namespace halfstep
