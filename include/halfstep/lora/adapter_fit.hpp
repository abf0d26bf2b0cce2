// Whether what an adapter makes for a layer fits the model's weight.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <numeric>
#include <optional>
#include <string>
#include <vector>

#include <halfstep/core/error.hpp>
#include <halfstep/core/text.hpp>
#include <halfstep/core/words.hpp>
#include <halfstep/lora/adapter.hpp>
#include <halfstep/lora/adapter_layer.hpp>
#include <halfstep/lora/delta_part.hpp>
#include <halfstep/lora/layer_index.hpp>
#include <halfstep/safetensors/header.hpp>

namespace halfstep {

/// Returns the weight of a layer, or the tensor that is the layer; null for none.
inline safetensors::tensor const* weight_of(safetensors::header const& model, std::string const& layer) {
  auto const* const weight = model.find(layer + ".weight");
  return weight != nullptr ? weight : model.find(layer);
}

/// Returns how many rows an adapter's layer has that is for `targets`, one of which has the tensor `to`.
inline std::uint64_t rows_of(std::vector<lora_target> const& targets, safetensors::tensor const& to) {
  std::uint64_t rows = 0;
  for (auto const& target : targets)
    for (auto const& run : target.rows) rows += static_cast<std::uint64_t>(run.count);
  return rows != 0 ? rows : to.shape.empty() ? 1 : to.shape[0];
}

/// Throws format_error: a tensor of an adapter does not fit one of the model.
[[noreturn]] inline void refuse_shape(adapter const& a, safetensors::tensor const& t, safetensors::tensor const& model,
                                      std::string const& more = "") {
  throw format_error(stated("lora.misfit",
                            "{tensor} of the shape {shape} does not fit {'weight} of the shape {weight_shape}{reason}",
                            {{"tensor", a.described(t)},
                             {"shape", shape_text(t.shape)},
                             {"weight", model.name},
                             {"weight_shape", shape_text(model.shape)},
                             {"reason", more}}));
}

namespace detail {

inline std::uint64_t count_of(std::vector<std::uint64_t> const& shape, std::size_t from) {
  return std::accumulate(shape.begin() + static_cast<std::ptrdiff_t>(std::min(from, shape.size())), shape.end(), std::uint64_t{1},
                         std::multiplies<>());
}

/// Whether a product's columns are those of the weight; a kernel may lie flat in either, but two kernels must be one.
inline bool same_columns(std::vector<std::uint64_t> const& product, std::vector<std::uint64_t> const& weight) {
  if (weight.size() < 2 || count_of(product, 1) != count_of(weight, 1)) return false;
  auto const trimmed = [](std::vector<std::uint64_t> shape) {
    while (shape.size() > 2 && shape.back() == 1) shape.pop_back();
    return shape;
  };
  auto const a = trimmed(product), b = trimmed(weight);
  return a.size() == 2 || b.size() == 2 || std::equal(a.begin() + 1, a.end(), b.begin() + 1, b.end());
}

}  // namespace detail

/// Returns whether what a layer's method makes, or its difference, has the shape of `weight`, which `targets` speak of.
inline bool fits(adapter_layer const& layer, std::vector<lora_target> const& targets, safetensors::tensor const& weight) {
  if (layer.method == adapter_method::none) return layer.difference() == nullptr || layer.difference()->shape == weight.shape;
  return detail::same_columns(layer.product, weight.shape) && layer.product[0] == rows_of(targets, weight);
}

/// Returns of what a layer's magnitudes are, which has `rows` rows in `weight`; nothing where they fit neither.
///
/// PEFT's are of rows. Those of LyCORIS say by their shape which they are: [M, 1..] or [1, N..].
inline std::optional<magnitude_axis> axis_of(adapter_layer const& layer, std::uint64_t rows, safetensors::tensor const& weight) {
  auto const& m = *layer.magnitude();
  bool const lycoris = layer.at(adapter_part::dora_scale) == &m;
  if (m.count() == rows && (!lycoris || (!m.shape.empty() && m.shape[0] == rows))) return magnitude_axis::rows;
  if (lycoris && m.shape.size() >= 2 && m.shape[0] == 1 && m.count() == m.shape[1] && weight.shape.size() >= 2 &&
      m.shape[1] == weight.shape[1])
    return magnitude_axis::columns;
  return std::nullopt;
}

/// Throws format_error where what a layer's method makes does not fit `weight`, naming the tensor that has the other size, and
/// for magnitudes that fit neither its rows nor its columns.
inline void require_fit(adapter const& a, adapter_layer const& layer, std::vector<lora_target> const& targets,
                        safetensors::tensor const& weight) {
  auto const rows = rows_of(targets, weight);
  if (!fits(layer, targets, weight)) {
    bool const row_misfit = weight.shape.size() < 2 || layer.product[0] != rows;
    if (layer.method != adapter_method::low_rank)
      throw format_error(stated(
          "lora.misfit",
          "{tensor} and what stands beside it make the shape {shape}, which does not fit {'weight} of the shape {weight_shape}",
          {{"tensor", a.described(layer.any())},
           {"shape", shape_text(layer.product)},
           {"weight", weight.name},
           {"weight_shape", shape_text(weight.shape)}}));
    auto const columns = detail::count_of(layer.product, 1), inputs = detail::count_of(weight.shape, 1);
    bool const wider = !row_misfit && inputs != 0 && columns > inputs && columns % inputs == 0;
    std::string more;
    if (wider)
      more =
          ": it is of a control LoRA, which widens the inputs of its layer, and such are not merged; load it on top of "
          "the converted model";
    else if (!weight.shape.empty() && rows != weight.shape[0])
      more = ", of which it is for " + std::to_string(rows) + " rows";
    refuse_shape(a, row_misfit ? *layer.up() : *layer.down(), weight, more);
  }
  if (layer.magnitude() != nullptr && !axis_of(layer, rows, weight))
    refuse_shape(a, *layer.magnitude(), weight, ": magnitudes are one for each row, or for each column");
}

}  // namespace halfstep
