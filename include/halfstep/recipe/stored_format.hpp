// Whether a file holds a layer in the format that a layout is.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include <halfstep/core/extents.hpp>
#include <halfstep/layout/concept.hpp>
#include <halfstep/layout/group_rows.hpp>
#include <halfstep/recipe/format.hpp>
#include <halfstep/recipe/layer_source.hpp>

namespace halfstep {

namespace detail {

/// The keys of a marker that speak of the format, or ask a loader for something that changes no number.
inline constexpr std::array<std::string_view, 4> format_keys{"format", "group_size", "per_row", "full_precision_matrix_mult"};

/// What every layer may have beside its codes, whatever its basis.
inline constexpr std::array<std::string_view, 8> format_endings{
    ".weight", ".bias", ".weight_scale", ".scale_weight", ".weight_scale_inv", ".comfy_quant", ".input_scale", ".scale_input"};

/// Returns whether `shape` is one in which files store groups of the shape `groups`: a lone one as [], [1] or [1, 1], a column as
/// [M] or [M, 1].
inline bool is_shape_of_groups(std::vector<std::uint64_t> const& shape, extents2 groups) {
  auto const rows = static_cast<std::uint64_t>(groups.rows), columns = static_cast<std::uint64_t>(groups.columns);
  if (shape.empty()) return groups.count() == 1;
  if (shape.size() == 1) return columns == 1 && shape[0] == rows;
  return shape.size() == 2 && shape[0] == rows && shape[1] == columns;
}

/// Returns whether `list` holds `text`.
template <class List>
bool holds(List const& list, std::string_view text) {
  return std::find(list.begin(), list.end(), text) != list.end();
}

/// Returns the shape of the layer's codes. Throws format_error where there are none or they are no matrix.
inline extents2 extents_of_codes(layer_source const& layer) {
  auto const& codes = layer.at(".weight");
  if (codes.shape.size() != 2)
    layer.fail(
        stated("layer.dimensions", "its weight has {dimensions} dimensions, not two", {{"dimensions", codes.shape.size()}}));
  return {static_cast<index_t>(codes.shape[0]), static_cast<index_t>(codes.shape[1])};
}

/// Returns whether the marker, where there is one, can mean `Layout` for codes of shape `e`; shapes of scales decide the rest.
template <class Layout>
bool is_marked_as(layer_source const& layer, extents2 e) {
  if (!layer.marker()) return true;
  auto const* const format = layer.marked("format");
  if (format == nullptr) layer.fail(stated("marker.no_format", "its marker names no format"));
  halfstep::format const& own = format_of<Layout>;
  if (*format != own.files.stock.format && *format != own.files.fork.format) return false;
  if (layer.marked("group_size") != nullptr && layer.marked_number("group_size") != own.side) return false;
  return !layer.is_marked("per_row") || Layout::groups(e) == extents2{e.rows, 1};
}

/// Returns whether `Layout` shares scales as `weight_scale_inv`, beside FP8 that no marker speaks of, means by convention: blocks
/// of 128 x 128 where the shapes agree, those at the edges partial. True for scales that it says nothing of.
template <class Layout>
bool follows_convention(layer_source const& layer, safetensors::tensor const& scales, extents2 e) {
  if (layer.marker() || format_of<Layout>.codes == dtype::i8 || !scales.name.ends_with(".weight_scale_inv")) return true;
  constexpr index_t side = 128;
  if (!is_shape_of_groups(scales.shape, {(e.rows + side - 1) / side, (e.columns + side - 1) / side})) return true;
  return rows_per_group<Layout>(e) == std::min(side, e.rows) && Layout::run(e) == std::min(side, e.columns);
}

/// Returns whether the file holds the layer as codes and groups of `Layout`.
template <class Layout>
bool is_stored_as(layer_source const& layer) {
  extents2 const e = extents_of_codes(layer);
  if (layer.at(".weight").type != format_of<Layout>.codes || !Layout::fits(e)) return false;
  auto const* const scales = layer.scales();
  if constexpr (!has_groups<Layout>) return scales == nullptr && !layer.marker();
  if (scales != nullptr && !follows_convention<Layout>(layer, *scales, e)) return false;
  return scales != nullptr && is_shape_of_groups(scales->shape, Layout::groups(e)) && is_marked_as<Layout>(layer, e);
}

}  // namespace detail

}  // namespace halfstep
