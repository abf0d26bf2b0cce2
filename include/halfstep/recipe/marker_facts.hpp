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

#include <halfstep/core/error.hpp>
#include <halfstep/core/extents.hpp>
#include <halfstep/core/text.hpp>
#include <halfstep/core/words.hpp>
#include <halfstep/recipe/contract_error.hpp>
#include <halfstep/recipe/recipe.hpp>
#include <halfstep/recipe/scheme.hpp>
#include <halfstep/safetensors/header.hpp>

namespace halfstep {

namespace detail {

/// A marker and the layer that it is for.
class marker_facts {
 public:
  /// Throws contract_error, as all of it does, where `text` is no JSON object, or holds a NUL.
  marker_facts(std::string layer, std::string const& text) : layer_(std::move(layer)) {
    if (text.find('\0') != std::string::npos) fail("its marker holds a NUL");
    boost::system::error_code why;
    boost::json::value const value = boost::json::parse(text, why);
    if (why) fail("its marker is no JSON: " + why.message());
    if (!value.is_object()) fail("its marker is no JSON object");
    marker_ = value.get_object();
    auto const* format = marker_.if_contains("format");
    if (format == nullptr || !format->is_string()) fail("its marker names no format");
    auto const name = std::string_view(format->get_string());
    auto const known =
        std::find_if(scheme_table.begin(), scheme_table.end(), [&](scheme_facts const& f) { return f.name == name; });
    if (known == scheme_table.end() || known->scales == scaling::none)
      fail("its marker names the unknown format '" + std::string(name) + "'");
    format_ = &*known;
  }

  [[noreturn]] void fail(std::string const& rule) const { throw contract_error("layer " + quoted(layer_) + ": " + rule); }

  /// Returns the format that it names.
  scheme_facts const& format() const { return *format_; }

  /// Checks it against the types and shapes of codes and scales; stock ComfyUI knows less than its fork.
  void check(safetensors::tensor const& codes, safetensors::tensor const& scales, marker_style style) const {
    std::string const name(format_->name);
    if (format_->codes != codes.type)
      fail("its marker names the format " + name + ", but its codes are " + std::string(name_of(codes.type)));
    if (codes.shape.size() != 2) fail("`" + codes.name + "` has the shape " + shape_text(codes.shape) + ", not two dimensions");
    std::uint64_t const rows = codes.shape[0];
    std::uint64_t const columns = codes.shape[1];
    bool const per_row = flag("per_row");
    if (format_->scales == scaling::block) {
      auto const side = number("group_size");
      if (rows % side != 0 || columns % side != 0)
        fail("blocks of " + std::to_string(side) + " do not divide " + shape_text(codes.shape));
      need_shape(scales, {rows / side, columns / side});
    } else if (format_->scales == scaling::row) {
      if (style == marker_style::comfyui) fail("stock ComfyUI does not know the format " + name);
      need_shape(scales, {rows});
    } else if (per_row) {
      if (format_->grid != grid_kind::int8) fail("one scale a tensor is wanted of " + name + ", not one a row");
      need_shape(scales, {rows, 1});
    } else if (scales.bytes() != sizeof(float)) {
      fail("one scale a tensor is wanted, and `" + scales.name + "` has the shape " + shape_text(scales.shape));
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

  std::string layer_;
  boost::json::object marker_;
  scheme_facts const* format_ = nullptr;
};

/// Throws contract_error where one of the scales in the file is not finite or not above zero.
template <class Read>
void need_positive_scales(std::string const& layer, safetensors::tensor const& scales, Read& read) {
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
