// Adapters matched to the tensors of a model, and what they add to each.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <halfstep/core/edit_distance.hpp>
#include <halfstep/core/error.hpp>
#include <halfstep/core/text.hpp>
#include <halfstep/core/words.hpp>
#include <halfstep/file/file_identity.hpp>
#include <halfstep/lora/adapter.hpp>
#include <halfstep/lora/delta.hpp>
#include <halfstep/lora/matched_adapter.hpp>
#include <halfstep/lora/options.hpp>
#include <halfstep/safetensors/header.hpp>
#include <halfstep/safetensors/layer_name.hpp>

namespace halfstep {

namespace detail {

/// The layers of a model by the names that adapters give them.
class layer_index {
 public:
  explicit layer_index(safetensors::header const& model) {
    for (auto const& t : model.tensors())
      for (std::string_view const ending : {".weight", ".bias"})
        if (t.name.ends_with(ending)) layers_.insert(t.name.substr(0, t.name.size() - ending.size()));
    for (auto const& layer : layers_) {
      auto const bare = without_prefix(layer).text;
      by_bare_name_[bare].push_back(&layer);
      by_underscores_[underscored(bare)].push_back(&layer);
    }
  }

  /// Returns the layer that an adapter calls `name`, or null. Throws format_error where it may be either of two.
  std::string const* find(std::string_view name) const {
    if (auto const exact = layers_.find(name); exact != layers_.end()) return &*exact;
    auto const bare = without_prefix(name);
    auto const& names = bare.form == name_form::underscored ? by_underscores_ : by_bare_name_;
    auto const found = names.find(bare.text);
    if (found == names.end()) return nullptr;
    if (found->second.size() > 1)
      throw format_error("the LoRA layer " + quoted(name) + " may be " + quoted(*found->second[0]) + " or " +
                         quoted(*found->second[1]));
    return found->second[0];
  }

  /// Returns the layer whose name is most like `name`; null for a model without layers.
  std::string const* nearest(std::string_view name) const {
    auto const bare = without_prefix(name);
    auto const& names = bare.form == name_form::underscored ? by_underscores_ : by_bare_name_;
    std::string const* best = nullptr;
    std::size_t least = 0;
    for (auto const& [text, layers] : names) {
      std::size_t const d = edit_distance(bare.text, text);
      if (best != nullptr && d >= least) continue;
      best = layers[0];
      least = d;
    }
    return best;
  }

 private:
  using name_map = std::map<std::string, std::vector<std::string const*>, std::less<>>;

  std::set<std::string, std::less<>> layers_;
  name_map by_bare_name_;
  name_map by_underscores_;
};

}  // namespace detail

/// Adapters to be merged into a model: W += strength * damp * (alpha / r) * B A, and differences, in FP32.
///
/// Layers are matched by their exact name, else without the prefixes that programs add. Pairs are read when a tensor is worked on
/// and dropped soon after. Const members may run on several threads at once.
class lora_merge {
 public:
  /// Opens the files in the order given and matches them to `model`.
  ///
  /// Throws what `adapter` throws; usage_error for keys that match nothing, each with the nearest layer, unless they are only
  /// warned of; format_error where a shape does not fit, a name fits two layers, two names one layer, or a tensor is no F64, F32,
  /// F16 or BF16. I8 and FP8 are accepted for the codes of layers that are decoded: the plan knows which are.
  lora_merge(std::vector<lora_request> const& files, lora_options const& options, safetensors::header const& model) {
    detail::layer_index const layers(model);
    std::vector<std::string> unmatched;
    double damp = 1.0;
    for (auto const& file : files) {
      auto const& a = adapters_.emplace_back(file.path);
      matched_.push_back({file.path, file.strength * options.scale * damp});
      match(a, model, layers, unmatched);
      if (options.dampening == lora_dampening::by_order) damp *= 0.9;
    }
    if (unmatched.empty()) return;
    constexpr std::size_t most = 16;
    std::string text;
    for (std::size_t i = 0; i < std::min(unmatched.size(), most); ++i) text += (i == 0 ? "" : "; ") + unmatched[i];
    if (unmatched.size() > most) text += "; and " + std::to_string(unmatched.size() - most) + " more";
    text = std::to_string(unmatched.size()) + (unmatched.size() == 1 ? " LoRA key matches" : " LoRA keys match") +
           " nothing in the model: " + text;
    if (options.unmatched == unmatched_keys::refuse) throw usage_error(text + "; leave them out with `unmatched warn`");
    warnings_.push_back(text + "; left out");
  }

  /// Returns whether anything is added to a tensor.
  bool changes(std::string_view tensor) const { return parts_.find(tensor) != parts_.end(); }

  /// Returns what is added to a tensor, read from the files unless it was used a moment ago; null where nothing is.
  std::shared_ptr<weight_delta const> at(std::string_view tensor) const {
    auto const found = parts_.find(tensor);
    if (found == parts_.end()) return nullptr;
    auto const used = slot_of(found->second);
    std::call_once(used->read, [&] { used->value.emplace(found->second); });
    return {used, &*used->value};
  }

  std::vector<matched_adapter> const& adapters() const { return matched_; }
  std::vector<std::string> const& warnings() const { return warnings_; }

  /// Returns which files these are, so that none of them is overwritten.
  std::vector<file::file_identity> identities() const {
    std::vector<file::file_identity> all;
    for (auto const& a : adapters_) all.push_back(a.file().identity());
    return all;
  }

  /// Throws io_error where a file is not what it was when opened.
  void require_unchanged() const {
    for (auto const& a : adapters_) a.file().require_unchanged();
  }

 private:
  struct slot {
    std::vector<delta_part> const* of;
    std::once_flag read;
    std::optional<weight_delta> value;
  };

  /// Returns the slot of a tensor; the last few are kept, since the pieces of a tensor come one after the other.
  std::shared_ptr<slot> slot_of(std::vector<delta_part> const& parts) const {
    constexpr std::size_t most = 4;
    std::scoped_lock const lock(guard_);
    for (auto const& s : slots_)
      if (s->of == &parts) return s;
    if (slots_.size() == most) slots_.pop_front();
    auto const made = std::make_shared<slot>();
    made->of = &parts;
    return slots_.emplace_back(made);
  }

  void match(adapter const& a, safetensors::header const& model, detail::layer_index const& layers,
             std::vector<std::string>& unmatched) {
    std::map<std::string, adapter_layer const*> taken;
    auto const miss = [&](safetensors::tensor const& t, std::string const& why) { unmatched.push_back(quoted(t.name) + why); };
    for (auto const& layer : a.layers()) {
      if (!layer.strangers.empty()) {
        for (auto const* t : layer.strangers) miss(*t, " (no part that is known)");
        continue;
      }
      auto const* const name = layers.find(layer.name);
      if (name == nullptr) {
        auto const* const nearest = layers.nearest(layer.name);
        miss(layer.any(), nearest == nullptr ? "" : " (nearest: " + quoted(*nearest) + ")");
        continue;
      }
      if (auto const [place, fresh] = taken.try_emplace(*name, &layer); !fresh)
        throw format_error(a.described(layer.any()) + " and " + quoted(place->second->any().name) + " are both for the layer " +
                           quoted(*name));
      std::size_t const before = added_;
      match_weight(a, layer, model.find(*name + ".weight"), miss);
      match_bias(a, layer, model.find(*name + ".bias"), miss);
      if (added_ != before) ++matched_.back().layers;
    }
  }

  template <class Miss>
  void match_weight(adapter const& a, adapter_layer const& layer, safetensors::tensor const* weight, Miss const& miss) {
    double const factor = matched_.back().factor;
    if (layer.down == nullptr && layer.difference == nullptr) return;
    if (weight == nullptr) return miss(layer.any(), " (its layer has no weight)");
    if (layer.down != nullptr) {
      if (weight->shape.size() > 2)
        throw format_error(a.described(*layer.down) + " is for " + quoted(weight->name) + " of the shape " +
                           shape_text(weight->shape) + ", a convolution: only adapters of linear layers are merged");
      std::vector<std::uint64_t> const product{layer.up->shape[0], layer.down->shape[1]};
      if (weight->shape != product) {
        bool const up = weight->shape.empty() || weight->shape[0] != product[0];
        refuse_shape(a, up ? *layer.up : *layer.down, *weight);
      }
      add(a, *weight, {&a, factor * layer.scale, layer.down, layer.up, nullptr});
    }
    if (layer.difference != nullptr) match_difference(a, *layer.difference, *weight);
  }

  template <class Miss>
  void match_bias(adapter const& a, adapter_layer const& layer, safetensors::tensor const* bias, Miss const& miss) {
    if (layer.bias_difference == nullptr) return;
    if (bias == nullptr) return miss(*layer.bias_difference, " (its layer has no bias)");
    match_difference(a, *layer.bias_difference, *bias);
  }

  void match_difference(adapter const& a, safetensors::tensor const& difference, safetensors::tensor const& to) {
    if (difference.shape != to.shape) refuse_shape(a, difference, to);
    add(a, to, {&a, matched_.back().factor, nullptr, nullptr, &difference});
  }

  [[noreturn]] static void refuse_shape(adapter const& a, safetensors::tensor const& t, safetensors::tensor const& model) {
    throw format_error(a.described(t) + " of the shape " + shape_text(t.shape) + " does not fit " + quoted(model.name) +
                       " of the shape " + shape_text(model.shape));
  }

  void add(adapter const& a, safetensors::tensor const& to, delta_part part) {
    bool const is_code = to.type == dtype::i8 || to.type == dtype::f8_e4m3 || to.type == dtype::f8_e5m2;
    if (!is_code && to.type != dtype::f64 && to.type != dtype::f32 && to.type != dtype::f16 && to.type != dtype::bf16)
      throw format_error(a.described(part.up != nullptr ? *part.up : *part.difference) + " cannot be added to " +
                         quoted(to.name) + ": it is " + std::string(name_of(to.type)) + ", not F64, F32, F16 or BF16");
    parts_[to.name].push_back(part);
    ++added_;
  }

  std::deque<adapter> adapters_;
  std::vector<matched_adapter> matched_;
  std::vector<std::string> warnings_;
  std::map<std::string, std::vector<delta_part>, std::less<>> parts_;
  std::size_t added_ = 0;
  mutable std::mutex guard_;
  mutable std::deque<std::shared_ptr<slot>> slots_;
};

}  // namespace halfstep
