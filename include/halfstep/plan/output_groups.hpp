// Which tensors of an output belong together, wherever it is cut into shards.
#pragma once

#include <algorithm>
#include <cstddef>
#include <map>
#include <span>
#include <string_view>
#include <vector>

#include <halfstep/plan/planned.hpp>
#include <halfstep/recipe/artifact.hpp>
#include <halfstep/safetensors/header.hpp>

namespace halfstep {

/// Returns the tensors that are written of `tensors`, those of a layer together: what is made of its weight, its bias, scales
/// that are kept.
inline std::vector<std::vector<safetensors::tensor_spec>> output_groups(std::span<planned_tensor const> tensors) {
  constexpr auto unused = static_cast<std::size_t>(-1);
  std::map<std::string_view, std::size_t> places;  // of the layers that have a weight
  for (planned_tensor const& t : tensors)
    if (auto const layer = layer_of(t.input.name); !layer.empty()) places.emplace(layer, unused);
  std::vector<std::vector<safetensors::tensor_spec>> groups;
  for (planned_tensor const& t : tensors) {
    if (t.outputs.empty()) continue;
    std::string_view const name = t.input.name;
    auto const layer = places.find(name.substr(0, std::min(name.rfind('.'), name.size())));
    std::size_t alone = unused;
    std::size_t& place = layer == places.end() ? alone : layer->second;
    if (place == unused) {
      place = groups.size();
      groups.emplace_back();
    }
    for (artifact const& a : t.outputs) groups[place].push_back(a.spec);
  }
  return groups;
}

}  // namespace halfstep
