// What loaders would stumble over in a file, from the file alone.
#pragma once

#include <cstddef>
#include <cstdint>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <halfstep/core/dtype.hpp>
#include <halfstep/recipe/format.hpp>
#include <halfstep/recipe/marker_facts.hpp>
#include <halfstep/safetensors/header.hpp>

namespace halfstep {

namespace detail {

/// Checks one layer of a file with markers; throws contract_error at the first rule that it breaks.
template <class Read>
void check_loadable(safetensors::header const& file, std::string const& layer, std::span<format const> formats, Read& read) {
  auto const fail = [&](message rule) {
    throw contract_error(within(std::move(rule), "layer {'layer}: {why}", {{"layer", layer}}));
  };
  auto const* const codes = file.find(layer + ".weight");
  auto const* const scales = file.find(layer + ".weight_scale");
  auto const* const marker = file.find(layer + ".comfy_quant");
  if (codes == nullptr) fail(stated("contract.missing", "it has no tensor `{layer}.weight`", {{"layer", layer}}));
  if (marker == nullptr)
    fail(stated("contract.no_marker", "it has scales but no marker: loaders drop the scales without a word"));
  if (marker->type != dtype::u8 || marker->shape.size() != 1 || marker->bytes() > 4096)
    fail(stated("contract.type", "its marker is {type} of the shape {shape}",
                {{"type", name_of(marker->type)}, {"shape", shape_text(marker->shape)}}));
  std::string text(static_cast<std::size_t>(marker->bytes()), '\0');
  read(*marker, 0, std::as_writable_bytes(std::span(text)));
  marker_facts const facts(layer, text, formats);
  if (scales == nullptr)
    fail(stated("contract.missing", "it has a marker but no tensor `{layer}.weight_scale`", {{"layer", layer}}));
  if (scales->type != dtype::f32)
    fail(stated("contract.type", "`{tensor}` is {type}, not F32", {{"tensor", scales->name}, {"type", name_of(scales->type)}}));
  facts.check(*codes, *scales, facts.style());
  need_positive_scales(layer, *scales, read);
}

}  // namespace detail

/// Returns what loaders of markers would stumble over in the layers of `file`, a sentence for each faulty layer, sorted by layer.
///
/// Layers are those with a marker or with `weight_scale`; `read(tensor, offset, bytes)` fetches markers and scales. For every
/// one: codes, scales and marker are there, the marker is a JSON object that names one of `formats` and agrees with the types and
/// shapes, scales are FP32, finite and above zero. Throws what `read` throws.
template <class Read>
std::vector<std::string> loader_faults(safetensors::header const& file, std::span<format const> formats, Read&& read) {
  std::set<std::string, std::less<>> layers;
  for (auto const& t : file.tensors())
    for (std::string_view const ending : {".comfy_quant", ".weight_scale"})
      if (t.name.ends_with(ending)) layers.insert(t.name.substr(0, t.name.size() - ending.size()));
  std::vector<std::string> faults;
  for (auto const& layer : layers) {
    try {
      detail::check_loadable(file, layer, formats, read);
    } catch (contract_error const& fault) {
      faults.push_back(fault.what());
    }
  }
  return faults;
}

}  // namespace halfstep
