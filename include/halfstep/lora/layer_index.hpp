// The layers of a model under the names that adapters give them.
#pragma once

#include <algorithm>
#include <cstddef>
#include <map>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <halfstep/core/edit_distance.hpp>
#include <halfstep/core/error.hpp>
#include <halfstep/core/extents.hpp>
#include <halfstep/core/text.hpp>
#include <halfstep/lora/names/families.hpp>
#include <halfstep/lora/names/name_pair.hpp>
#include <halfstep/lora/names/text_encoders.hpp>
#include <halfstep/safetensors/header.hpp>
#include <halfstep/safetensors/layer_name.hpp>
#include <halfstep/safetensors/name_table.hpp>

namespace halfstep {

/// A layer of a model that an adapter's layer changes, and the rows that they share.
struct lora_target {
  std::string const* layer;
  std::vector<row_run> rows = {};  ///< from the adapter's to the model's; none: all, as they are

  friend bool operator==(lora_target const&, lora_target const&) = default;
};

/// The layers of a model by their own names, without prefixes, with underscores for dots, by the names of `name_families`, and
/// those of its text encoders behind what stands before them in a checkpoint.
///
/// A layer is what has a weight or a bias, or a tensor that is neither.
class layer_index {
 public:
  explicit layer_index(safetensors::header const& model) : model_(&model) {
    for (auto const& t : model.tensors())
      for (std::string_view const ending : {".weight", ".bias"})
        if (t.name.ends_with(ending)) layers_.insert(t.name.substr(0, t.name.size() - ending.size()));
    for (auto const& layer : layers_) bare_.add(layer, {&layer});
    for (auto const& t : model.tensors())
      if (!t.name.ends_with(".weight") && !t.name.ends_with(".bias")) other_.add(t.name, {&*tensors_.insert(t.name).first});
    for (auto const* const names : {&layers_, &tensors_})
      for (auto const& name : *names) add_other_names(name);
  }

  /// Returns the layers that an adapter calls `name`, several where it is of one that the model has in parts; none where there is
  /// none. Throws format_error where it may be either of two.
  std::vector<lora_target> find(std::string_view name) const {
    for (auto const* const names : {&layers_, &tensors_})
      if (auto const exact = names->find(name); exact != names->end()) return {{&*exact}};
    auto const bare = without_prefix(name);
    for (auto const* const table : {&bare_, &other_})
      if (auto const found = table->find(bare); !found.empty()) {
        require_apart(name, found);
        return {found.begin(), found.end()};
      }
    return bare.text_encoder == 0 ? std::vector<lora_target>{} : find_in_encoders(name, bare);
  }

  /// Returns the layer one of whose names is most like `name`; null for a model without layers.
  std::string const* nearest(std::string_view name) const {
    auto const bare = without_prefix(name);
    std::string const* best = nullptr;
    std::size_t least = 0;
    for (auto const* const table : {&bare_, &other_})
      table->for_each(bare.form, [&](std::string const& text, std::vector<lora_target> const& targets) {
        std::size_t const d = edit_distance(bare.text, text);
        if (best != nullptr && d >= least) return;
        best = targets[0].layer;
        least = d;
      });
    return best;
  }

 private:
  using target_names = name_table<lora_target>;

  /// Returns the layer of the text encoder that `bare` speaks of, else of the one encoder that has such a layer: programs count
  /// encoders differently.
  std::vector<lora_target> find_in_encoders(std::string_view name, bare_name const& bare) const {
    if (auto const own = encoders_.find(bare.text_encoder); own != encoders_.end())
      if (auto const found = own->second.find(bare); !found.empty()) return {found.begin(), found.end()};
    std::vector<lora_target> others;
    for (auto const& [number, encoder] : encoders_)
      for (auto const& target : encoder.find(bare)) others.push_back(target);
    require_apart(name, others);
    return others;
  }

  void add_to_encoders(std::string const& layer, extents2 e) {
    for (auto const& place : encoder_places) {
      if (!layer.starts_with(place.prefix)) continue;
      auto& encoder = encoders_[place.number];
      std::string_view const inner = std::string_view(layer).substr(place.prefix.size());
      encoder.add(dotted(std::string(inner)), {&layer});
      for (auto const& pair : open_clip_names)
        if (auto const other = detail::renamed(inner, pair.second, pair.first))
          if (auto rows = detail::rows_in_second(pair.rows, e)) encoder.add(dotted(*other), {&layer, *std::move(rows)});
    }
  }

  void add_other_names(std::string const& layer) {
    auto const bare = without_prefix(layer).text;
    auto const* t = model_->find(layer + ".weight");
    if (t == nullptr) t = model_->find(layer);
    extents2 e{};
    if (t != nullptr && t->shape.size() == 2) e = {static_cast<index_t>(t->shape[0]), static_cast<index_t>(t->shape[1])};
    add_to_encoders(layer, e);
    for_each_other_name(
        bare, [&](std::string const& other, row_slice rows) { offer(other, layer, detail::rows_in_second(rows, e)); },
        [&](std::string const& other, row_slice rows) { offer(other, layer, detail::rows_of_second(rows, e)); });
    constexpr std::string_view numbered = ".to_out.0";  // attention processors leave the number out
    if (bare.ends_with(numbered)) other_.add(dotted(bare.substr(0, bare.size() - 2)), {&layer});
  }

  void offer(std::string const& name, std::string const& layer, std::optional<std::vector<row_run>> rows) {
    if (rows) other_.add(dotted(name), {&layer, *std::move(rows)});
  }

  /// A name that has lost its prefix already.
  static bare_name dotted(std::string name) { return {std::move(name), name_form::dotted}; }

  /// Throws format_error where two layers would take the same rows of what is called `name`.
  static void require_apart(std::string_view name, std::span<lora_target const> targets) {
    for (std::size_t i = 0; i < targets.size(); ++i)
      for (std::size_t k = 0; k < i; ++k)
        if (targets[i].rows.empty() || targets[k].rows.empty() || overlap(targets[i].rows, targets[k].rows))
          throw format_error(stated("lora.ambiguous", "the LoRA layer {'layer} may be {'candidate} or {'other}",
                                    {{"layer", name}, {"candidate", *targets[k].layer}, {"other", *targets[i].layer}}));
  }

  static bool overlap(std::vector<row_run> const& a, std::vector<row_run> const& b) {
    return std::any_of(a.begin(), a.end(), [&](row_run const& x) {
      return std::any_of(b.begin(), b.end(),
                         [&](row_run const& y) { return x.from < y.from + y.count && y.from < x.from + x.count; });
    });
  }

  safetensors::header const* model_;
  std::set<std::string, std::less<>> layers_;
  std::set<std::string, std::less<>> tensors_;
  target_names bare_;
  target_names other_;
  std::map<int, target_names> encoders_;
};

}  // namespace halfstep
