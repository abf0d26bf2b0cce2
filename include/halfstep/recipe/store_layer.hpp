// Typed tensors as layers of a model that is written: the inverse of load_layer.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <halfstep/core/error.hpp>
#include <halfstep/core/space.hpp>
#include <halfstep/core/text.hpp>
#include <halfstep/layout/group_rows.hpp>
#include <halfstep/recipe/recipe.hpp>
#include <halfstep/recipe/stored_basis.hpp>
#include <halfstep/recipe/stored_format.hpp>
#include <halfstep/recipe/stored_marker.hpp>
#include <halfstep/safetensors/header.hpp>
#include <halfstep/safetensors/writer.hpp>
#include <halfstep/tensor/quantized_tensor.hpp>

namespace halfstep {

namespace detail {

/// Returns the marker of a layer of `Layout`: what names the format, then what its basis adds.
template <class Layout>
std::string stored_marker_text(extents2 e, marker_style style, marker_pairs const& of_basis) {
  std::string_view const name = stored_format<Layout>::name(style);
  std::string text = "{\"format\": ";
  append_json_string(text, name);
  if (block_side<Layout>() != 0) text += ", \"group_size\": " + std::to_string(block_side<Layout>());
  bool const is_row_wise = Layout::groups(e) == extents2{e.rows, 1};
  if (is_row_wise && (name != Layout::name || !of_basis.empty())) text += ", \"per_row\": true";
  for (auto const& [key, value] : of_basis) {
    text += ", ";
    append_json_string(text, key);
    text += ": " + value;
  }
  return text + "}";
}

/// Returns everything that a file holds of a layer but its codes and scales.
template <class Layout, class Basis>
std::vector<companion> companions_of(quantized_tensor<Layout, host_space, Basis> const& q, marker_style style) {
  basis_record record = stored_basis<Basis>::record(q.transform());
  if ((style == marker_style::none || !has_groups<Layout>)&&!record.marker.empty())
    throw usage_error("halfstep: only a marker can say that a layer is in the basis " + std::string(Basis::name) +
                      ", and it would have none");
  if (style != marker_style::none && has_groups<Layout>) {
    std::string const text = stored_marker_text<Layout>(q.extents(), style, record.marker);
    record.companions.push_back(make_companion(".comfy_quant", dtype::u8, {text.size()}, std::span(text)));
  }
  return std::move(record.companions);
}

template <class Layout>
std::vector<std::uint64_t> shape_of_groups(extents2 e, marker_style style) {
  extents2 const groups = Layout::groups(e);
  auto const rows = static_cast<std::uint64_t>(groups.rows), columns = static_cast<std::uint64_t>(groups.columns);
  if (block_side<Layout>() != 0) return {rows, columns};
  if (groups == extents2{1, 1} && spans_all_rows<Layout>({2, e.columns})) return {};
  if (columns == 1 && style == marker_style::fork) return {rows};
  return {rows, columns};
}

inline std::string scales_name(std::string_view layer, marker_style style) {
  return std::string(layer) + (style == marker_style::none ? ".scale_weight" : ".weight_scale");
}

}  // namespace detail

/// Returns the tensors that `store_layer` writes for `q`, for the header of the file.
///
/// Throws usage_error for a basis that only a marker can tell of and a style without markers.
template <class Layout, class Basis>
std::vector<safetensors::tensor_spec> layer_specs(std::string_view layer, quantized_tensor<Layout, host_space, Basis> const& q,
                                                  marker_style style = marker_style::comfyui) {
  std::string const name(layer);
  auto const shape = std::vector{static_cast<std::uint64_t>(q.extents().rows), static_cast<std::uint64_t>(q.extents().columns)};
  std::vector<safetensors::tensor_spec> specs{{name + ".weight", stored_type<typename Layout::code_type>(), shape}};
  if constexpr (has_groups<Layout>)
    specs.push_back({detail::scales_name(layer, style), stored_type<typename Layout::group_type>(),
                     detail::shape_of_groups<Layout>(q.extents(), style)});
  for (auto& part : detail::companions_of(q, style)) specs.push_back({name + part.ending, part.type, std::move(part.shape)});
  return specs;
}

/// Writes `q` as the layer `layer`: codes, scales, marker, and what its basis needs. Its tensors are those of `layer_specs`.
///
/// Throws usage_error as that does, and what the writer throws.
template <class Layout, class Basis>
void store_layer(safetensors::writer& output, std::string_view layer, quantized_tensor<Layout, host_space, Basis> const& q,
                 marker_style style = marker_style::comfyui) {
  auto const store = [&](std::string const& name, std::span<std::byte const> bytes) {
    if (output.head().find(name) == nullptr)
      throw usage_error("halfstep: the header has no tensor " + quoted(name) + ": it is made of layer_specs");
    output.write(output.at(name), 0, bytes);
  };
  auto const bytes_of = [](auto view) {
    return std::as_bytes(std::span(view.data(), static_cast<std::size_t>(view.extents().count())));
  };
  std::string const name(layer);
  store(name + ".weight", bytes_of(q.codes()));
  if constexpr (has_groups<Layout>) store(detail::scales_name(layer, style), bytes_of(q.groups()));
  for (auto const& part : detail::companions_of(q, style)) store(name + part.ending, part.bytes);
}

}  // namespace halfstep
