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
#include <halfstep/recipe/artifact.hpp>
#include <halfstep/recipe/format.hpp>
#include <halfstep/recipe/marker.hpp>
#include <halfstep/recipe/stored_basis.hpp>
#include <halfstep/safetensors/header.hpp>
#include <halfstep/safetensors/writer.hpp>
#include <halfstep/tensor/quantized_tensor.hpp>

namespace halfstep {

namespace detail {

/// Returns everything that a file holds of a layer but its codes and scales.
template <class Layout, class Basis>
std::vector<companion> companions_of(quantized_tensor<Layout, host_space, Basis> const& q, marker_style style) {
  basis_record record = stored_basis<Basis>::record(q.transform());
  bool const has_marker = has_groups<Layout> && style != marker_style::none;
  if (!has_marker && !record.marker.empty())
    throw usage_error(stated("marker.needed",
                             "halfstep: only a marker can say that a layer is in the basis {basis}, and it would have none",
                             {{"basis", Basis::name}}));
  if (has_marker) {
    std::string const text = marker_text(format_of<Layout>, style, record.marker);
    record.companions.push_back(make_companion(".comfy_quant", dtype::u8, {text.size()}, std::span(text)));
  }
  return std::move(record.companions);
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
  std::vector<safetensors::tensor_spec> specs{{name + ".weight", format_of<Layout>.codes, shape}};
  if constexpr (has_groups<Layout>)
    specs.push_back({detail::scales_name(layer, style), format_of<Layout>.scales,
                     scale_shape(format_of<Layout>, q.extents(), style, lone_scale::scalar)});
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
      throw usage_error(stated("output.no_tensor", "halfstep: the header has no tensor {'tensor}: it is made of layer_specs",
                               {{"tensor", name}}));
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
