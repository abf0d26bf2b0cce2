// The text of a `P.comfy_quant` tensor, which tells a loader how a layer is stored.
#pragma once

#include <string>
#include <string_view>

#include <halfstep/recipe/recipe.hpp>

namespace halfstep {

/// Returns the name of the format that the marker of `r` carries.
///
/// Stock ComfyUI knows axis scales as `int8_tensorwise` with `per_row`; the fork calls them `int8_axiswise`.
constexpr std::string_view marker_format(recipe const& r, marker_style style) {
  if (r.format == scheme::int8_axis && style != marker_style::fork) return name_of(scheme::int8_tensor);
  return name_of(r.format);
}

/// Returns the marker of a layer stored as `r`: one JSON object, keys in a fixed order, no NUL.
///
/// Empty for formats without scales, which need none.
inline std::string marker_text(recipe const& r, marker_style style) {
  if (!has_scales(r.format)) return {};
  std::string text = "{\"format\": \"" + std::string(marker_format(r, style)) + "\"";
  if (has_blocks(r.format)) text += ", \"group_size\": " + std::to_string(r.block_size);
  if (r.format == scheme::int8_axis && (style != marker_style::fork || r.rotation_group != 0)) text += ", \"per_row\": true";
  if (r.rotation_group != 0) text += ", \"convrot\": true, \"convrot_groupsize\": " + std::to_string(r.rotation_group);
  if (r.matmul == matmul_precision::full) text += ", \"full_precision_matrix_mult\": true";
  return text + "}";
}

}  // namespace halfstep
