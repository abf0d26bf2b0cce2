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
    if (text.find('\0') != std::string::npos) fail("its marker holds a NUL");
    boost::system::error_code why;
    boost::json::value const value = boost::json::parse(text, why);
    if (why) fail("its marker is no JSON: " + why.message());
    if (!value.is_object()) fail("its marker is no JSON object");
    marker_ = value.get_object();
    auto const* format = marker_.if_contains("format");
    if (format == nullptr || !format->is_string()) fail("its marker names no format");
    name_ = std::string_view(format->get_string());
    if (find(marker_style::comfyui) == nullptr && find(marker_style::fork) == nullptr)
      fail("its marker names the unknown format '" + name_ + "'");
  }

  [[noreturn]] void fail(std::string const& rule) const { throw contract_error("layer " + quoted(layer_) + ": " + rule); }

  /// Returns the style that has the format's name: ComfyUI's, where both have.
  marker_style style() const { return find(marker_style::comfyui) != nullptr ? marker_style::comfyui : marker_style::fork; }

  /// Checks it against the types and shapes of codes and scales; stock ComfyUI knows less than its fork.
  void check(safetensors::tensor const& codes, safetensors::tensor const& scales, marker_style style) const {
    auto const* const spoken_of = find(style);
    format const& named = spoken_of != nullptr ? *spoken_of : *find(this->style());
    if (named.codes != codes.type)
      fail("its marker names the format " + name_ + ", but its codes are " + std::string(name_of(codes.type)));
    if (codes.shape.size() != 2) fail("`" + codes.name + "` has the shape " + shape_text(codes.shape) + ", not two dimensions");
    if (spoken_of == nullptr) fail("stock ComfyUI does not know the format " + name_);
    std::uint64_t const rows = codes.shape[0];
    std::uint64_t const columns = codes.shape[1];
    extents2 const e{static_cast<index_t>(rows), static_cast<index_t>(columns)};
    bool const per_row = flag("per_row");
    if (named.side != 0) {
      auto const side = number("group_size");
      if (rows % side != 0 || columns % side != 0)
        fail("blocks of " + std::to_string(side) + " do not divide " + shape_text(codes.shape));
      need_shape(scales, {rows / side, columns / side});
    } else if (named.geometry == "tensor") {
      if (per_row) fail("one scale a tensor is wanted of " + name_ + ", not one a row");
      if (scales.bytes() != named.scale_bytes)
        fail("one scale a tensor is wanted, and `" + scales.name + "` has the shape " + shape_text(scales.shape));
    } else if (!named.fits(e)) {
      fail(shape_text(codes.shape) + " is no shape of " + name_);
    } else {
      need_shape(scales, scale_shape(named, e, style, lone_scale::scalar));
    }
    if (!flag("convrot")) return;
    auto const group = number("convrot_groupsize");
    if (!per_row) fail("it is rotated but has no scale a row");
    if (!is_rotation_group(static_cast<index_t>(group)) || columns % group != 0)
      fail("a rotation group is a power of four that divides " + std::to_string(columns) + " columns; it says " +
           std::to_string(group));
  }

  void need_shape(safetensors::tensor const& t, std::vector<std::uint64_t> const& shape) const {
    if (t.shape != shape) fail("`" + t.name + "` has the shape " + shape_text(t.shape) + ", not " + shape_text(shape));
  }

 private:
  bool flag(char const* key) const {
    auto const* value = marker_.if_contains(key);
    if (value != nullptr && !value->is_bool()) fail("its marker's " + std::string(key) + " is neither true nor false");
    return value != nullptr && value->get_bool();
  }

  std::uint64_t number(char const* key) const {
    auto const* value = marker_.if_contains(key);
    if (value == nullptr || !value->is_int64() || value->get_int64() <= 0) fail("its marker has no number " + std::string(key));
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
        throw contract_error("layer " + quoted(layer) + ": `" + scales.name + "` holds the scale " + std::to_string(scale));
  }
}

}  // namespace detail

}  // namespace halfstep
