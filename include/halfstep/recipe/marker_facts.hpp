// What a marker says, held against the tensors it speaks of.
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <boost/json/object.hpp>
#include <boost/json/parse.hpp>

#include <halfstep/core/dtype.hpp>
#include <halfstep/core/error.hpp>
#include <halfstep/core/extents.hpp>
#include <halfstep/core/text.hpp>
#include <halfstep/core/words.hpp>
#include <halfstep/recipe/artifact.hpp>
#include <halfstep/recipe/contract_error.hpp>
#include <halfstep/recipe/file_trait.hpp>
#include <halfstep/recipe/format.hpp>
#include <halfstep/recipe/recipe.hpp>
#include <halfstep/recipe/rotation_group.hpp>
#include <halfstep/safetensors/header.hpp>

namespace halfstep {

namespace detail {

/// A marker and the layer that it is for.
class marker_facts {
 public:
  /// Throws contract_error, as all of it does, where `text` is no JSON object, holds a NUL, or names none of `formats`, which
  /// outlive it.
  marker_facts(std::string layer, std::string const& text, std::span<format const> formats)
      : layer_(std::move(layer)), formats_(formats) {
    if (text.find('\0') != std::string::npos) fail(stated("marker.nul", "its marker holds a NUL"));
    boost::system::error_code why;
    boost::json::value const value = boost::json::parse(text, why);
    if (why) fail(stated("marker.no_json", "its marker is no JSON: {reason}", {{"reason", why.message()}}));
    if (!value.is_object()) fail(stated("marker.no_json", "its marker is no JSON object"));
    marker_ = value.get_object();
    auto const* format = marker_.if_contains("format");
    if (format == nullptr || !format->is_string()) fail(stated("marker.no_format", "its marker names no format"));
    name_ = std::string_view(format->get_string());
    if (find(marker_style::comfyui) == nullptr && find(marker_style::fork) == nullptr)
      fail(stated("marker.unknown_format", "its marker names the unknown format '{format}'", {{"format", name_}}));
  }

  [[noreturn]] void fail(message rule) const {
    throw contract_error(within(std::move(rule), "layer {'layer}: {why}", {{"layer", layer_}}));
  }

  /// Returns the style that has the format's name: ComfyUI's, where both have.
  marker_style style() const { return find(marker_style::comfyui) != nullptr ? marker_style::comfyui : marker_style::fork; }

  /// Checks it against the types and shapes of codes and scales; stock ComfyUI knows less than its fork.
  void check(safetensors::tensor const& codes, safetensors::tensor const& scales, marker_style style) const {
    auto const* const spoken_of = find(style);
    format const& named = spoken_of != nullptr ? *spoken_of : *find(this->style());
    if (named.codes != codes.type)
      fail(stated("marker.other_codes", "its marker names the format {format}, but its codes are {type}",
                  {{"format", name_}, {"type", name_of(codes.type)}}));
    if (codes.shape.size() != 2)
      fail(stated("contract.shape", "`{tensor}` has the shape {shape}, not two dimensions",
                  {{"tensor", codes.name}, {"shape", shape_text(codes.shape)}}));
    if (spoken_of == nullptr)
      fail(stated("marker.not_stock", "stock ComfyUI does not know the format {format}", {{"format", name_}}));
    std::uint64_t const rows = codes.shape[0];
    std::uint64_t const columns = codes.shape[1];
    extents2 const e{static_cast<index_t>(rows), static_cast<index_t>(columns)};
    bool const per_row = flag("per_row");
    if (named.side != 0) {
      auto const side = number("group_size");
      if (rows % side != 0 || columns % side != 0)
        fail(stated("contract.blocks", "blocks of {side} do not divide {shape}",
                    {{"side", side}, {"shape", shape_text(codes.shape)}}));
      need_shape(scales, {rows / side, columns / side});
    } else if (named.geometry == "tensor") {
      if (per_row)
        fail(stated("contract.one_scale", "one scale a tensor is wanted of {format}, not one a row", {{"format", name_}}));
      if (scales.bytes() != named.scale_bytes)
        fail(stated("contract.one_scale", "one scale a tensor is wanted, and `{tensor}` has the shape {shape}",
                    {{"tensor", scales.name}, {"shape", shape_text(scales.shape)}}));
    } else if (!named.fits(e)) {
      fail(stated("contract.misfit", "{shape} is no shape of {format}", {{"shape", shape_text(codes.shape)}, {"format", name_}}));
    } else {
      need_shape(scales, scale_shape(named, e, style, lone_scale::scalar));
    }
    if (!flag("convrot")) return;
    auto const group = number("convrot_groupsize");
    if (!per_row) fail(stated("marker.rotated_without_rows", "it is rotated but has no scale a row"));
    if (!is_rotation_group(static_cast<index_t>(group)) || columns % group != 0)
      fail(stated("marker.rotation_group", "a rotation group is a power of four that divides {columns} columns; it says {group}",
                  {{"columns", columns}, {"group", group}}));
  }

  void need_shape(safetensors::tensor const& t, std::vector<std::uint64_t> const& shape) const {
    if (t.shape != shape)
      fail(stated("contract.shape", "`{tensor}` has the shape {shape}, not {wanted}",
                  {{"tensor", t.name}, {"shape", shape_text(t.shape)}, {"wanted", shape_text(shape)}}));
  }

 private:
  bool flag(char const* key) const {
    auto const* value = marker_.if_contains(key);
    if (value != nullptr && !value->is_bool())
      fail(stated("marker.no_truth", "its marker's {key} is neither true nor false", {{"key", key}}));
    return value != nullptr && value->get_bool();
  }

  std::uint64_t number(char const* key) const {
    auto const* value = marker_.if_contains(key);
    if (value == nullptr || !value->is_int64() || value->get_int64() <= 0)
      fail(stated("marker.no_number", "its marker has no number {key}", {{"key", key}}));
    return static_cast<std::uint64_t>(value->get_int64());
  }

  /// Returns the format that the marker names in the words of `style`; where several have the name, the one for its `per_row`.
  format const* find(marker_style style) const {
    auto const* const said = marker_.if_contains("per_row");
    bool const per_row = said != nullptr && said->is_bool() && said->get_bool();
    format const* found = nullptr;
    for (format const& known : formats_) {
      marker_form const& form = known.files.in(style);
      if (!known.has_scales() || form.format != name_) continue;
      if (form.per_row == per_row_key::where_rotated || per_row == (form.per_row == per_row_key::write)) return &known;
      if (found == nullptr) found = &known;
    }
    return found;
  }

  std::string layer_;
  std::span<format const> formats_;
  boost::json::object marker_;
  std::string name_;
};

/// Throws contract_error where one of the FP32 scales in the file is not finite or not above zero.
template <class Read>
void need_positive_scales(std::string const& layer, safetensors::tensor const& scales, Read& read) {
  if (scales.type != dtype::f32) return;
  std::array<float, 4096> piece;
  for (std::uint64_t at = 0; at < scales.bytes(); at += sizeof(piece)) {
    auto const count = std::min<std::uint64_t>(sizeof(piece), scales.bytes() - at) / sizeof(float);
    read(scales, at, std::as_writable_bytes(std::span(piece).first(count)));
    for (float const scale : std::span(piece).first(count))
      if (!(std::isfinite(scale) && scale > 0))
        throw contract_error(stated("contract.bad_scale", "layer {'layer}: `{tensor}` holds the scale {value}",
                                    {{"layer", layer}, {"tensor", scales.name}, {"value", scale}}));
  }
}

}  // namespace detail

}  // namespace halfstep
