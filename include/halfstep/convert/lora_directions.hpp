// Second moments of layers' inputs as far as a LoRA tells them: the directions that its down matrices read.
#pragma once

#include <cmath>
#include <cstddef>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <halfstep/core/buffer.hpp>
#include <halfstep/core/error.hpp>
#include <halfstep/core/matrix_view.hpp>
#include <halfstep/exec/concept.hpp>
#include <halfstep/lora/adapter.hpp>
#include <halfstep/lora/adapter_claims.hpp>
#include <halfstep/lora/adapter_fit.hpp>
#include <halfstep/lora/adapter_layer.hpp>
#include <halfstep/lora/layer_index.hpp>
#include <halfstep/lora/match_errors.hpp>
#include <halfstep/lora/small_matrix.hpp>
#include <halfstep/objective/low_rank_hessian.hpp>
#include <halfstep/safetensors/header.hpp>
#include <halfstep/transform/basis.hpp>

namespace halfstep {

/// How much the directions of a LoRA weigh together, relative to all directions of the space together.
///
/// 1: half of what rounding is charged for is the error along the r directions, so one of them counts N / r times as much as one
/// of the others.
inline constexpr double lora_share = 1.0;

/// Returns H = I + rho A^T A / mean diag(A^T A), where rho is `lora_share`, for directions `a` [r, N]; nothing where A is zero.
inline std::optional<low_rank_hessian> lora_informed(host_view<float const> a) {
  double sum = 0.0;
  for (index_t i = 0; i < a.extents().count(); ++i) sum += static_cast<double>(a.data()[i]) * static_cast<double>(a.data()[i]);
  if (!(sum > 0.0)) return std::nullopt;
  double const size = std::sqrt(lora_share * static_cast<double>(a.columns()) / sum);
  host_buffer<float> v(a.extents().count());
  for (index_t j = 0; j < a.columns(); ++j)
    for (index_t k = 0; k < a.rows(); ++k) v[j * a.rows() + k] = static_cast<float>(size * static_cast<double>(a(k, j)));
  return low_rank_hessian(std::vector<float>(static_cast<std::size_t>(a.columns()), 1.0f), std::move(v), a.rows());
}

/// A LoRA whose down matrices say which directions of a layer's inputs matter to it.
class lora_directions {
 public:
  /// Opens the file and matches its pairs to the layers of `model`. Throws what `adapter` throws; format_error where a shape does
  /// not fit, a name fits two layers, or no pair is for a layer.
  lora_directions(std::string const& path, safetensors::header const& model) : adapter_(path) {
    require_tensors(path, adapter_.file().head().tensors().size());
    layer_index const layers(model);
    std::vector<unmatched_key> missed;
    adapter_claims const claims(adapter_);
    for (auto const& layer : adapter_.layers()) {
      bool const reads = layer.strangers.empty() && layer.method == adapter_method::low_rank;
      auto targets = reads ? layers.find(layer.name) : std::vector<lora_target>{};
      if (claims.is_for_another_encoder(layer, targets, model)) targets.clear();
      bool informs = false;
      for (auto const& target : targets) {
        auto const* const weight = model.find(*target.layer + ".weight");
        if (weight == nullptr || weight->shape.size() != 2) continue;
        if (!detail::same_columns(layer.product, weight->shape)) refuse_shape(adapter_, *layer.down(), *weight);
        pairs_[*target.layer].push_back(&layer);
        informs = true;
      }
      if (informs) continue;
      unmatched_.push_back(layer.any().name);
      auto const* const nearest = missed.size() < 16 ? layers.nearest(layer.name) : nullptr;
      missed.push_back({layer.name, layer.any().name, reads ? "" : "no pair", nearest == nullptr ? "" : *nearest});
    }
    if (pairs_.empty()) fail_unmatched(path, adapter_.file().head().tensors().size(), missed);
  }

  std::string const& path() const { return adapter_.path(); }
  file::file_identity const& identity() const { return adapter_.file().identity(); }
  void require_unchanged() const { adapter_.file().require_unchanged(); }

  /// Returns whether the LoRA has a pair for a layer of the model, or for some of its rows.
  bool has(std::string_view layer) const { return pairs_.find(layer) != pairs_.end(); }

  /// Returns the first tensors of what no layer of the model takes.
  std::vector<std::string> const& unmatched() const { return unmatched_; }

  /// Returns `lora_informed` of the directions of all pairs for a layer, in the basis `in` of the layer's codes; nothing where
  /// the LoRA has none. The identity is that of this basis. Throws value_error at NaN or infinity, and io_error.
  template <host_executor Executor>
  std::optional<low_rank_hessian> moments(Executor const& ex, std::string_view layer, basis const& in) const {
    auto const found = pairs_.find(layer);
    if (found == pairs_.end()) return std::nullopt;
    std::vector<float> rows;
    index_t columns = 0;
    for (auto const* const pair : found->second) {
      auto const factor = detail::right_factor(adapter_, *pair);
      rows.insert(rows.end(), factor.values.begin(), factor.values.end());
      columns = factor.extents.columns;
    }
    extents2 const e{static_cast<index_t>(rows.size()) / columns, columns};
    auto const directions = in.inputs(ex, host_view<float const>(rows.data(), e));
    return lora_informed(host_view<float const>(directions.data(), {e.rows, in.stored({1, e.columns}).columns}));
  }

 private:
  adapter adapter_;
  std::map<std::string, std::vector<adapter_layer const*>, std::less<>> pairs_;
  std::vector<std::string> unmatched_;
};

}  // namespace halfstep
