// The text of a `P.comfy_quant` tensor, which tells a loader how a layer is stored.
#pragma once

#include <string>
#include <utility>

#include <halfstep/recipe/file_trait.hpp>
#include <halfstep/recipe/format.hpp>
#include <halfstep/recipe/marker_pairs.hpp>
#include <halfstep/recipe/recipe.hpp>
#include <halfstep/rounding/nearest.hpp>

namespace halfstep {

/// Returns the marker of a layer in `format` whose basis adds `of_basis`: one JSON object, keys in a fixed order, no NUL.
///
/// Empty for formats without scales, which need none.
inline std::string marker_text(format const& format, marker_style style, marker_pairs const& of_basis,
                               matmul_precision matmul = matmul_precision::native) {
  if (!format.has_scales()) return {};
  marker_form const& form = format.files.in(style);
  std::string text = "{\"format\": \"" + std::string(form.format) + "\"";
  if (format.side != 0) text += ", \"group_size\": " + std::to_string(format.side);
  bool const rotated = find_in(of_basis, "convrot") != nullptr;
  if (form.per_row == per_row_key::write || (rotated && form.per_row == per_row_key::where_rotated))
    text += ", \"per_row\": true";
  for (auto const& [key, value] : of_basis) text += ", \"" + key + "\": " + value;
  if (matmul == matmul_precision::full) text += ", \"full_precision_matrix_mult\": true";
  return text + "}";
}

/// Returns the marker of a layer stored as `r`.
inline std::string marker_text(recipe const& r, marker_style style) {
  return marker_text(r.format, style, marker_of(r.bases), r.matmul);
}

/// Returns what a loader is told of layers stored as `r`, such as "int8_tensorwise, per row, ConvRot 256"; the layout's own words
/// where no marker tells it.
inline std::string loader_words(recipe const& r, marker_style style) {
  marker_form const& form = r.format.files.in(style);
  if (style == marker_style::none || !r.format.has_scales() || form.format.empty()) return to_string(r);
  auto const of_basis = marker_of(r.bases);
  bool const rotated = find_in(of_basis, "convrot") != nullptr;
  std::string text = std::string(form.format) + (r.format.side != 0 ? " " + std::to_string(r.format.side) : "");
  if (form.per_row == per_row_key::write || (rotated && form.per_row == per_row_key::where_rotated)) text += ", per row";
  for (auto const& choice : r.bases)
    text += ", " + (choice.row.name == "convrot" ? "ConvRot" + choice.words().substr(choice.row.name.size()) : choice.words());
  if (r.rounding != nearest::name) text += ", " + r.rounding;
  if (r.matmul == matmul_precision::full) text += ", full precision matmul";
  return text;
}

}  // namespace halfstep
