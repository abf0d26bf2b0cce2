// The text of a `P.comfy_quant` tensor, which tells a loader how a layer is stored.
#pragma once

#include <string>

#include <halfstep/recipe/file_trait.hpp>
#include <halfstep/recipe/recipe.hpp>

namespace halfstep {

/// Returns the marker of a layer stored as `r`: one JSON object, keys in a fixed order, no NUL.
///
/// Empty for formats without scales, which need none.
inline std::string marker_text(recipe const& r, marker_style style) {
  if (!r.format.has_scales()) return {};
  marker_form const& form = r.format.files.in(style);
  std::string text = "{\"format\": \"" + std::string(form.format) + "\"";
  if (r.format.side != 0) text += ", \"group_size\": " + std::to_string(r.format.side);
  auto const of_bases = marker_of(r.bases);
  if (form.per_row == per_row_key::write || (!of_bases.empty() && form.per_row == per_row_key::where_rotated))
    text += ", \"per_row\": true";
  for (auto const& [key, value] : of_bases) text += ", \"" + key + "\": " + value;
  if (r.matmul == matmul_precision::full) text += ", \"full_precision_matrix_mult\": true";
  return text + "}";
}

}  // namespace halfstep
