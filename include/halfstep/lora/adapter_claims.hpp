// Which rows of a model's layers the layers of one adapter are for.
#pragma once

#include <algorithm>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <halfstep/core/error.hpp>
#include <halfstep/core/text.hpp>
#include <halfstep/lora/adapter.hpp>
#include <halfstep/lora/adapter_fit.hpp>
#include <halfstep/lora/adapter_layer.hpp>
#include <halfstep/lora/layer_index.hpp>
#include <halfstep/lora/names/name_pair.hpp>
#include <halfstep/safetensors/header.hpp>
#include <halfstep/safetensors/layer_name.hpp>

namespace halfstep {

/// The rows that one adapter changes, so that no two of its layers change the same ones.
class adapter_claims {
 public:
  explicit adapter_claims(adapter const& of) : adapter_(of) {
    for (auto const& layer : of.layers()) encoders_.insert(without_prefix(layer.name).text_encoder);
    encoders_.erase(0);
  }

  /// Returns whether a layer is of one of several text encoders, by its name, and of another than the model's, by its shape: they
  /// call their layers alike.
  bool is_for_another_encoder(adapter_layer const& layer, std::vector<lora_target> const& targets,
                              safetensors::header const& model) const {
    if (encoders_.size() < 2 || without_prefix(layer.name).text_encoder == 0) return false;
    return std::any_of(targets.begin(), targets.end(), [&](lora_target const& target) {
      auto const* const weight = weight_of(model, *target.layer);
      return weight != nullptr && !fits(layer, targets, *weight);
    });
  }

  /// Takes the rows of `targets` for `layer`. Throws format_error where another layer has some of them.
  void add(adapter_layer const& layer, std::vector<lora_target> const& targets) {
    for (auto const& target : targets) {
      auto& taken = taken_[*target.layer];
      for (auto const& [other, rows] : taken)
        if (overlap(rows, target.rows))
          throw format_error(
              stated("lora.same_layer", "{tensor} and {'other} are both for the layer {'layer}",
                     {{"tensor", adapter_.described(layer.any())}, {"other", other->any().name}, {"layer", *target.layer}}));
      taken.emplace_back(&layer, target.rows);
    }
  }

 private:
  static bool overlap(std::vector<row_run> const& a, std::vector<row_run> const& b) {
    if (a.empty() || b.empty()) return true;
    return std::any_of(a.begin(), a.end(), [&](row_run const& x) {
      return std::any_of(b.begin(), b.end(), [&](row_run const& y) { return x.to < y.to + y.count && y.to < x.to + x.count; });
    });
  }

  adapter const& adapter_;
  std::set<int> encoders_;
  std::map<std::string, std::vector<std::pair<adapter_layer const*, std::vector<row_run>>>> taken_;
};

}  // namespace halfstep
