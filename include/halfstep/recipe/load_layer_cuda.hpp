// Layers of a quantized model as typed tensors in device memory.
#pragma once

#include <optional>
#include <string_view>
#include <utility>

#include <halfstep/core/cuda_buffer.hpp>
#include <halfstep/core/extents.hpp>
#include <halfstep/exec/concept.hpp>
#include <halfstep/recipe/load_layer.hpp>
#include <halfstep/tensor/copy_cuda.hpp>

namespace halfstep {

/// Calls `visitor` with the layer `name` as a `quantized_tensor<Layout, device_space, Basis>` and returns what it returns.
///
/// Otherwise as the overload for host memory, where the codes lie in between. Allocates, and waits for the stream. Throws
/// cuda_error besides.
template <device_executor Executor, class Model, class Layouts, class Bases, class Visitor>
auto load_layer(Executor const& ex, Model const& model, std::string_view name, layer_table<Layouts, Bases> table,
                Visitor&& visitor, std::optional<extents2> original = std::nullopt) {
  return load_layer(
      model, name, table, [&](auto const& layer) { return visitor(copy_to_device(ex, layer)); }, original);
}

}  // namespace halfstep
