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
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include <halfstep/core/buffer.hpp>
#include <halfstep/core/error.hpp>
#include <halfstep/core/matrix_view.hpp>
#include <halfstep/core/source.hpp>
#include <halfstep/core/text.hpp>
#include <halfstep/core/words.hpp>
#include <halfstep/exec/serial.hpp>
#include <halfstep/file/file_identity.hpp>
#include <halfstep/kernel/widen.hpp>
#include <halfstep/lora/adapter.hpp>
#include <halfstep/lora/adapter_claims.hpp>
#include <halfstep/lora/adapter_fit.hpp>
#include <halfstep/lora/adapter_layer.hpp>
#include <halfstep/lora/delta.hpp>
#include <halfstep/lora/delta_part.hpp>
#include <halfstep/lora/layer_index.hpp>
#include <halfstep/lora/match_errors.hpp>
#include <halfstep/lora/matched_adapter.hpp>
#include <halfstep/lora/options.hpp>
#include <halfstep/lora/other_methods.hpp>
#include <halfstep/lora/scale_statement.hpp>
#include <halfstep/lora/training_scale.hpp>
#include <halfstep/lora/training_scales.hpp>
#include <halfstep/safetensors/header.hpp>
#include <halfstep/safetensors/reader.hpp>

namespace halfstep {

/// Adapters to be merged into a model: W += strength * damp * (alpha / r) * B A, what LoHa and LoKr make, differences, and DoRA's
/// magnitudes, in FP32.
///
/// Layers are matched by their exact name, else without the prefixes that programs add, else by the names of `name_families`.
/// Pairs are read when a tensor is worked on and dropped soon after. Const members may run on several threads at once.
class lora_merge {
 public:
  /// Opens the files in the order given and matches them to `model`.
  ///
  /// `expressions` tells which layers a key of an alpha_pattern is for that is more than a name. Throws what `adapter` and
  /// `training_scales` throw; format_error for a file of which nothing matches, whatever the options; usage_error for other keys
  /// that match nothing, each with the nearest layer, unless they are only warned of; format_error where a shape does not fit, a
  /// name fits two layers, two names one layer, or a tensor is no F64, F32, F16 or BF16. I8 and FP8 are accepted for the codes of
  /// layers that are decoded: the plan knows which are.
  lora_merge(std::vector<lora_request> const& files, lora_options const& options, safetensors::header const& model,
             name_matcher const& expressions = {}) {
    layer_index const layers(model);
    std::vector<unmatched_key> unmatched;
    bool most_match = true;
    double damp = 1.0;
    for (auto const& file : files) {
      auto const& a = adapters_.emplace_back(file.path);
      require_tensors(a.path(), a.file().head().tensors().size());
      scales_.emplace_back(a.file(), options.alpha, expressions);
      matched_.push_back({.path = file.path, .strength = file.strength, .scale = options.scale, .dampening = damp});
      std::vector<unmatched_key> missed;
      match(a, model, layers, missed);
      if (matched_.back().layers == 0) fail_unmatched(a.path(), a.file().head().tensors().size(), missed);
      most_match = most_match && matched_.back().layers > missed.size();
      unmatched.insert(unmatched.end(), missed.begin(), missed.end());
      warn_of_assumed_scales();
      if (options.dampening == lora_dampening::by_order) damp *= 0.9;
    }
    if (unmatched.empty()) return;
    std::string const text = unmatched_in_words(unmatched);
    if (options.unmatched == unmatched_keys::warn)
      warnings_.push_back(text + "; left out");
    else
      throw usage_error(
          stated(most_match ? "lora.unmatched" : "lora.mostly_unmatched", "{found}; {advice}",
                 {{"found", text},
                  {"advice", most_match ? "leave them out with `unmatched warn`"
                                        : "no more of its keys match than do not: check that it was trained for this model"},
                  {"keys", unmatched.size()},
                  {"tensor", unmatched.front().tensor}}));
  }

  /// Takes the model that this merges into, which must outlive it: magnitudes of columns are measured on whole weights.
  void measure_on(safetensors::reader const& model) { model_ = &model; }

  /// Returns whether anything is added to a tensor.
  bool changes(std::string_view tensor) const { return parts_.find(tensor) != parts_.end(); }

  /// Returns what is added to a tensor, read from the files unless it was used a moment ago; null where nothing is.
  std::shared_ptr<weight_delta const> at(std::string_view tensor) const {
    auto const found = parts_.find(tensor);
    if (found == parts_.end()) return nullptr;
    auto const used = slot_of(found->second);
    std::call_once(used->read,
                   [&] { used->value.emplace(found->second, [&](host_view<float> rows) { read_weight(tensor, rows); }); });
    return {used, &*used->value};
  }

  std::vector<matched_adapter> const& adapters() const { return matched_; }
  std::vector<std::string> const& warnings() const { return warnings_; }

  /// Returns which files these are, so that none of them is overwritten.
  std::vector<file::file_identity> identities() const {
    std::vector<file::file_identity> all;
    for (auto const& a : adapters_) all.push_back(a.file().identity());
    for (auto const& s : scales_)
      if (auto const config = s.config_identity()) all.push_back(*config);
    return all;
  }

  /// Throws io_error where a file is not what it was when opened.
  void require_unchanged() const {
    for (auto const& a : adapters_) a.file().require_unchanged();
    for (auto const& s : scales_) s.require_unchanged();
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

  /// Reads rows of the model's tensor as FP32.
  void read_weight(std::string_view tensor, host_view<float> rows) const {
    auto const* const t = model_ != nullptr ? model_->head().find(tensor) : nullptr;
    if (t == nullptr)
      throw usage_error(stated("lora.no_model", "halfstep: lora_merge measures {'tensor} on no model; call `measure_on` first",
                               {{"tensor", tensor}}));
    with_source_type(t->type, [&]<class Source>(std::type_identity<Source>) {
      host_buffer<Source> stored(rows.extents().count());
      model_->read(*t, static_cast<std::uint64_t>(rows.first_row() * rows.columns()) * sizeof(Source),
                   std::as_writable_bytes(std::span(stored.data(), static_cast<std::size_t>(stored.size()))));
      widen(serial{}, stored.view(rows.extents()), host_view<float>(rows.data(), rows.extents()));
    });
  }

  void match(adapter const& a, safetensors::header const& model, layer_index const& layers, std::vector<unmatched_key>& missed) {
    constexpr std::size_t most_shown = 16;  // looking for the nearest of many takes time
    adapter_claims taken(a);
    std::set<std::string_view> changed;
    for (auto const& layer : a.layers()) {
      auto const miss = [&](safetensors::tensor const& t, std::string const& why) {
        auto const* const nearest = missed.size() < most_shown ? layers.nearest(layer.name) : nullptr;
        missed.push_back({layer.name, t.name, why, nearest == nullptr ? "" : *nearest});
      };
      if (!layer.strangers.empty()) {
        for (auto const* t : layer.strangers) miss(*t, std::string(why_not_merged(*t)));
        continue;
      }
      auto const targets = layers.find(layer.name);
      if (targets.empty()) {
        miss(layer.any(), "");
        continue;
      }
      if (taken.is_for_another_encoder(layer, targets, model)) {
        miss(layer.any(), "by its shape for another text encoder");
        continue;
      }
      taken.add(layer, targets);
      double const scale = scale_of(layer);
      for (auto const& target : targets) {
        std::size_t const before = added_;
        match_weight(a, layer, scale, target, targets, model, miss);
        match_bias(a, layer, scale, target, targets, model, miss);
        if (added_ != before) changed.insert(*target.layer);
      }
    }
    matched_.back().layers = changed.size();
  }

  template <class Miss>
  void match_weight(adapter const& a, adapter_layer const& layer, double scale, lora_target const& target,
                    std::vector<lora_target> const& targets, safetensors::header const& model, Miss const& miss) {
    if (layer.method == adapter_method::none && layer.difference() == nullptr) return;
    auto const* const weight = weight_of(model, *target.layer);
    if (weight == nullptr) return miss(layer.any(), "its layer has no weight");
    double const factor = matched_.back().factor();
    if (layer.method != adapter_method::none) {
      require_fit(a, layer, targets, *weight);
      bool const dora = layer.magnitude() != nullptr;
      add(a, *weight, target,
          {.from = &a,
           .factor = dora ? scale : factor * scale,
           .layer = &layer,
           .magnitude = layer.magnitude(),
           .axis = dora ? *axis_of(layer, rows_of(targets, *weight), *weight) : magnitude_axis::rows,
           .strength = factor});
    }
    if (layer.difference() != nullptr) match_difference(a, *layer.difference(), target, targets, *weight, factor);
  }

  template <class Miss>
  void match_bias(adapter const& a, adapter_layer const& layer, double scale, lora_target const& target,
                  std::vector<lora_target> const& targets, safetensors::header const& model, Miss const& miss) {
    auto const* const bias = model.find(*target.layer + ".bias");
    double const factor = matched_.back().factor();
    for (auto const& [t, scaled] : {std::pair{layer.bias_difference(), 1.0}, std::pair{layer.at(adapter_part::up_bias), scale}}) {
      if (t == nullptr) continue;
      if (bias == nullptr)
        miss(*t, "its layer has no bias");
      else
        match_difference(a, *t, target, targets, *bias, factor * scaled);
    }
  }

  /// Returns what scales the product of a layer of the last adapter, and counts it.
  double scale_of(adapter_layer const& layer) {
    if (layer.method == adapter_method::none) return 1.0;
    auto const scale =
        scales_.back().of({.name = layer.name, .tensor = layer.any().name, .rank = layer.rank, .alpha = layer.alpha()});
    if (layer.rank == 0 && scale.place == scale_place::nowhere) return 1.0;  // as LyCORIS scales products of whole matrices
    note_scale(scale);
    return scale.factor();
  }

  /// Counts a pair of the last adapter with the others of the same scale.
  void note_scale(training_scale const& scale) {
    auto& uses = matched_.back().scales;
    auto const same = std::find_if(uses.begin(), uses.end(), [&](scale_use const& use) {
      return use.scale.same_numbers(scale) && use.scale.from == scale.from;
    });
    if (same == uses.end())
      uses.push_back({scale, 1});
    else
      ++same->pairs;
  }

  /// Says which pairs of the last adapter have a scale that nothing tells.
  void warn_of_assumed_scales() {
    auto const& of = matched_.back();
    if (scales_.back().source() == alpha_source::rank) return;
    std::size_t assumed = 0;
    std::size_t all = 0;
    std::string passed_over;
    for (auto const& use : of.scales) {
      all += use.pairs;
      if (use.scale.place != scale_place::nowhere) continue;
      assumed += use.pairs;
      if (passed_over.empty()) passed_over = use.scale.passed_over;
    }
    if (assumed == 0) return;
    warnings_.push_back(
        "LoRA " + quoted(of.path) + ": nothing tells the alpha of " +
        (assumed == all ? "its pairs" : std::to_string(assumed) + " of its " + std::to_string(all) + " pairs") +
        (passed_over.empty() ? "" : " (" + passed_over + ")") +
        ", so it is taken to be the rank: factor 1; where it was trained with another, give alpha / rank as its strength, "
        "and where this is right, say so with `lora_alpha rank`");
  }

  void match_difference(adapter const& a, safetensors::tensor const& difference, lora_target const& target,
                        std::vector<lora_target> const& targets, safetensors::tensor const& to, double factor) {
    auto shape = to.shape;
    if (!target.rows.empty() && !shape.empty()) shape[0] = rows_of(targets, to);
    if (difference.shape != shape) refuse_shape(a, difference, to);
    add(a, to, target, {.from = &a, .factor = factor, .difference = &difference});
  }

  void add(adapter const& a, safetensors::tensor const& to, lora_target const& target, delta_part part) {
    bool const is_code = to.type == dtype::i8 || to.type == dtype::f8_e4m3 || to.type == dtype::f8_e5m2;
    if (!is_code && to.type != dtype::f64 && to.type != dtype::f32 && to.type != dtype::f16 && to.type != dtype::bf16)
      throw format_error(stated("lora.no_numbers",
                                "{tensor} cannot be added to {'weight}: it is {type}, not F64, F32, F16 or BF16",
                                {{"tensor", a.described(part.layer != nullptr ? part.layer->any() : *part.difference)},
                                 {"weight", to.name},
                                 {"type", name_of(to.type)}}));
    if (is_code && part.axis == magnitude_axis::columns)
      throw format_error(
          stated("lora.magnitudes_of_columns",
                 "{tensor} of the shape {shape} holds the magnitudes of columns (DoRA over the input axis), which the whole "
                 "weight is needed for, and {'weight} is quantized: merge it into the model as it was before that",
                 {{"tensor", a.described(*part.magnitude)}, {"shape", shape_text(part.magnitude->shape)}, {"weight", to.name}}));
    part.rows = target.rows;
    part.tensor_rows = to.shape.empty() ? 1 : static_cast<index_t>(to.shape[0]);
    parts_[to.name].push_back(std::move(part));
    ++added_;
  }

  safetensors::reader const* model_ = nullptr;
  std::deque<adapter> adapters_;
  std::deque<training_scales> scales_;  ///< of each
  std::vector<matched_adapter> matched_;
  std::vector<std::string> warnings_;
  std::map<std::string, std::vector<delta_part>, std::less<>> parts_;
  std::size_t added_ = 0;
  mutable std::mutex guard_;
  mutable std::deque<std::shared_ptr<slot>> slots_;
};

}  // namespace halfstep
