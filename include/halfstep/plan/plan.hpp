// What a conversion will do to every tensor, decided from names, shapes and options alone.
#pragma once

#include <algorithm>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <halfstep/core/error.hpp>
#include <halfstep/core/nearest_names.hpp>
#include <halfstep/core/text.hpp>
#include <halfstep/plan/input_check.hpp>
#include <halfstep/plan/layer_choice.hpp>
#include <halfstep/plan/lora_file.hpp>
#include <halfstep/plan/model_rules.hpp>
#include <halfstep/plan/options.hpp>
#include <halfstep/plan/output_groups.hpp>
#include <halfstep/plan/plan_remarks.hpp>
#include <halfstep/plan/planned.hpp>
#include <halfstep/plan/presets.hpp>
#include <halfstep/plan/rule.hpp>
#include <halfstep/plan/small_share.hpp>
#include <halfstep/plan/weight_role.hpp>
#include <halfstep/recipe/artifact.hpp>
#include <halfstep/recipe/comfy_quant.hpp>
#include <halfstep/recipe/contract.hpp>
#include <halfstep/recipe/recipe.hpp>
#include <halfstep/recipe/stored_layer.hpp>
#include <halfstep/safetensors/header.hpp>
#include <halfstep/safetensors/shard_layout.hpp>

namespace halfstep {

namespace detail {

/// Makes a plan, one decision after the other.
class planner {
 public:
  planner(safetensors::header const& input, plan_options const& options)
      : input_(input), options_(options), chooser_(options, rules_for(input, options)) {
    if (!options.stored) return;
    for (auto const& [name, stored] : options.stored->layers)
      for (auto const& companion : stored.companions) companions_.emplace(companion, name);
  }

  plan make() {
    plan_.markers = options_.markers;
    plan_.formats = options_.formats;
    plan_.scalars = options_.scalars;
    plan_.saved = options_.metadata;
    plan_.rules = chooser_.rules().sentence;
    for (auto const* family : chooser_.rules().families) plan_.families.emplace_back(family->name);
    for (safetensors::tensor const& t : input_.tensors()) plan_.tensors.push_back(decide(t));
    require_lora_as_asked(input_, options_, plan_);
    settle_companions();
    add_what_inputs_allow();
    lay_out();
    if (plan_.needs != loader::any && sign_of_lora(input_) != nullptr) plan_.needs = loader::lora_engine;
    speak();
    return std::move(plan_);
  }

 private:
  static extents2 shape_of(safetensors::tensor const& t) {
    return {static_cast<index_t>(t.shape[0]), static_cast<index_t>(t.shape[1])};
  }

  planned_tensor decide(safetensors::tensor const& t) {
    if (companions_.contains(t.name) || is_scaled_fp8_flag(t.name)) return kept(t, "is not a weight");
    if (auto const* stored = stored_at(layer_of(t.name))) return decide(t, *stored);
    layer_choice choice = chooser_.choose(t);
    if (choice.what == action::remove) return removed(t, std::move(choice.reason));
    if (choice.what == action::quantize) return quantized(t, std::move(choice));
    return choice.by == naming::flag ? kept_as_asked(t, std::move(choice.reason)) : kept(t, std::move(choice.reason));
  }

  planned_tensor kept_as_asked(safetensors::tensor const& t, std::string reason) {
    chosen_.insert(t.name);
    return kept(t, std::move(reason));
  }

  planned_tensor removed(safetensors::tensor const& t, std::string reason) {
    auto& rules = options_.rules == rule_source::named ? remarks_.removed_as_asked : remarks_.removed;
    auto& same = rules[reason];
    ++same.count;
    same.bytes += t.bytes();
    return {t, action::remove, {}, std::move(reason), {}};
  }

  stored_layer const* stored_at(std::string_view layer) const {
    if (!options_.stored || layer.empty()) return nullptr;
    auto const found = options_.stored->layers.find(layer);
    return found == options_.stored->layers.end() ? nullptr : &found->second;
  }

  /// Decides about a weight that is quantized already, as if it were the numbers that it stands for.
  planned_tensor decide(safetensors::tensor const& t, stored_layer const& stored) {
    safetensors::tensor numbers = t;
    numbers.type = dtype::f32;
    layer_choice choice = chooser_.choose(numbers);
    if (choice.what == action::remove) return removed(t, std::move(choice.reason));
    if (choice.what == action::keep) {
      ++remarks_.kept_quantized;
      return choice.by == naming::flag ? kept_as_asked(t, std::move(choice.reason)) : kept(t, std::move(choice.reason));
    }
    planned_tensor made = quantized(numbers, std::move(choice));
    made.input = t;
    if (made.what == action::keep) return kept(t, std::move(made.reason));
    auto const layer = quoted(layer_of(t.name));
    auto const text = layer + " is " + stored.words;
    if (!stored.obstacle.empty())
      remarks_.undecodable.push_back(text + ", and " + stored.obstacle);
    else if (options_.requantize == requantization::refuse)
      remarks_.unasked.push_back(text);
    if (!stored.doubt.empty()) remarks_.doubts[stored.doubt].push_back(layer);
    ++remarks_.requantized;
    made.coded = stored.codes;
    made.reason = stored.words + ", " + made.reason;
    return made;
  }

  /// Leaves out scales and markers of codes that are replaced or left out; those of codes that stay, stay.
  void settle_companions() {
    if (!options_.stored) return;
    std::map<std::string_view, action> fates;
    for (planned_tensor const& t : plan_.tensors)
      if (auto const layer = layer_of(t.input.name); stored_at(layer) != nullptr) fates.emplace(layer, t.what);
    std::vector<std::string_view> older;
    for (auto const& [name, stored] : options_.stored->layers) {
      auto const fate = fates.find(name);
      if (fate != fates.end() && fate->second != action::keep) continue;
      if (!stored.declared.empty()) plan_.declared.emplace_back(name, stored.declared);
      if (!is_older(stored)) continue;
      older.push_back(name);
      if (options_.metadata == quant_metadata::save) remarks_.undeclared.push_back(quoted(name));
    }
    for (planned_tensor& t : plan_.tensors) {
      auto const owner = companions_.find(t.input.name);
      if (owner != companions_.end()) {
        auto const fate = fates.find(owner->second);
        if (fate == fates.end() || fate->second == action::keep)
          t.reason = "belongs to a layer that stays quantized as it is";
        else
          leave_out(t, "belongs to codes that are replaced");
      } else if (is_scaled_fp8_flag(t.input.name)) {
        std::string_view const name = t.input.name;
        auto const prefix = name.substr(0, name.size() - scaled_fp8_flag.size());
        bool const speaks = std::ranges::any_of(older, [=](std::string_view layer) { return layer.starts_with(prefix); });
        if (remarks_.requantized != 0 && !speaks) leave_out(t, "no layer is left that it speaks of");
      }
    }
  }

  static bool is_older(stored_layer const& stored) {
    return std::ranges::any_of(stored.companions, [](std::string_view name) { return name.ends_with(".scale_weight"); });
  }

  static void leave_out(planned_tensor& t, std::string reason) {
    t.what = action::remove;
    t.reason = std::move(reason);
    t.outputs.clear();
  }

  static planned_tensor kept(safetensors::tensor const& t, std::string reason) {
    return {t, action::keep, {}, std::move(reason), {{artifact_role::copy, {t.name, t.type, t.shape}}}};
  }

  planned_tensor quantized(safetensors::tensor const& t, layer_choice choice) {
    extents2 const e = shape_of(t);
    recipe how = choice.how;
    if (!how.format.has_scales() && how.format.codes == t.type)
      return kept_as_asked(t, t.type == dtype::f16 ? "already FP16" : "already " + std::string(name_of(t.type)));
    if (!how.format.has_scales() && options_.overflowing.contains(t.name)) return kept_as_asked(t, "exceeds FP16");
    if (choice.sizes == size_rule::heuristic) {
      auto const side = static_cast<index_t>(how.format.side != 0 ? how.format.side : choice.block_size);
      if (std::min(e.rows, e.columns) < side || e.rows % side != 0 || e.columns % side != 0)
        return kept_as_asked(t, std::string(choice.by == naming::flag ? "`custom sizes`" : "`sizes`") +
                                    ": smaller than or not divisible by " + std::to_string(side));
    }
    if (auto const why = obstacle({.format = how.format, .bases = mixing(how.bases)}, e); !why.empty()) {
      bool const fatal = choice.by == naming::flag || options_.strict == strictness::refuse;
      std::string const by = choice.by == naming::flag ? " (" + choice.reason + ")" : "";
      (fatal ? remarks_.refused : remarks_.unstorable)[to_string(how)].push_back(quoted(t.name) + " " + why + by);
      return kept(t, "cannot be stored: " + why);
    }
    settle(how.bases, t);
    remarks_.padded += stored_extents(how, e) == e ? 0 : 1;
    if (how.format.codes == dtype::i8 && stored_extents(how, e) == e && (e.rows % 4 != 0 || e.columns % 4 != 0))
      remarks_.uneven.push_back(quoted(t.name));
    ++remarks_.quantized;
    return {t, action::quantize, how, std::move(choice.reason),
            artifacts_of(layer_of(t.name), e, how, options_.markers, options_.scalars)};
  }

  /// Returns those of `all` that mix rows: whatever a weight does without, it does not do without them.
  static std::vector<basis_choice> mixing(std::vector<basis_choice> all) {
    std::erase_if(all, [](basis_choice const& choice) { return !choice.row.mixes_rows; });
    return all;
  }

  /// Gives the bases of a weight the numbers that it takes, and leaves out those that it cannot have.
  void settle(std::vector<basis_choice>& all, safetensors::tensor const& weight) {
    std::erase_if(all, [&](basis_choice& choice) {
      auto const number = choice.row.settle(choice.number, shape_of(weight));
      if (!number) remarks_.unrotated.push_back(quoted(weight.name));
      bool const unknown = number && choice.row.need == basis_need::maxima && !knows_maxima(weight);
      if (unknown) remarks_.unsmoothed.push_back(quoted(layer_of(weight.name)));
      choice.number = number.value_or(choice.number);
      return !number || unknown;
    });
  }

  bool knows_maxima(safetensors::tensor const& weight) const {
    auto const known = options_.inputs.find(layer_of(weight.name));
    return known != options_.inputs.end() && known->second.maxima == channel_maxima::known;
  }

  /// Gives quantized layers what the knowledge of their inputs allows, and takes corrected biases from those that pass through.
  void add_what_inputs_allow() {
    if (options_.inputs.empty() && options_.static_activations == activation_scales::omit) return;
    std::map<std::string_view, planned_tensor*> biases;
    for (planned_tensor& t : plan_.tensors)
      if (t.what == action::keep && t.input.name.ends_with(".bias")) biases.emplace(t.input.name, &t);
    for (planned_tensor& t : plan_.tensors) {
      if (t.what != action::quantize || !t.how.format.has_scales()) continue;
      std::string const layer(layer_of(t.input.name));
      auto const known = options_.inputs.find(layer);
      known_inputs const inputs = known == options_.inputs.end() ? known_inputs{} : known->second;
      if (options_.static_activations == activation_scales::store) {
        if (gives_scale(inputs.range, t.how)) {
          t.added.input_scale = activation_scales::store;
          if (t.how.format.codes == dtype::i8 && loader_of(t.how, options_.markers) == loader::stock_comfyui)
            remarks_.unread_scales.push_back(quoted(layer));
        } else {
          remarks_.unranged.push_back(quoted(layer));
        }
      }
      auto const bias = biases.find(layer + ".bias");
      if (inputs.mean && bias != biases.end() && can_correct(bias->second->input, t.input)) {
        t.added.bias = bias->second->input.type;
        bias->second->what = action::correct;
        bias->second->reason = "corrected for the mean of its layer's inputs";
        bias->second->outputs.clear();
        ++remarks_.corrected;
      }
      t.outputs = artifacts_of(layer, shape_of(t.input), t.how, options_.markers, options_.scalars, t.added);
    }
  }

  /// Whether a static scale of a layer stored as `how` follows from what is known.
  static bool gives_scale(known_range range, recipe const& how) {
    auto const& all = how.bases;
    if (std::ranges::any_of(all, [](auto const& choice) { return choice.row.mixes_rows; })) return false;
    bool const keeps_columns = std::ranges::all_of(all, [](auto const& choice) { return choice.row.keeps_columns; });
    return range == known_range::any || (range == known_range::unrotated && keeps_columns) ||
           (range == known_range::stated && all.empty());
  }

  /// Whether `bias` is one number of a floating type for each row of `weight`, and no flag keeps it.
  bool can_correct(safetensors::tensor const& bias, safetensors::tensor const& weight) const {
    bool const floating =
        bias.type == dtype::f32 || bias.type == dtype::f16 || bias.type == dtype::bf16 || bias.type == dtype::f64;
    return floating && bias.shape == std::vector{weight.shape[0]} && !chooser_.keeps(bias.name) &&
           !options_.nonfinite.contains(bias.name);
  }

  /// Turns what was noticed into one error, or into warnings and notes.
  void speak() {
    remarks_.idle = chooser_.idle_choices();
    remarks_.calibrated = !options_.inputs.empty();
    if (auto const idle = chooser_.idle_config(); !idle.empty()) remarks_.unmatched = unmatched_in_words(idle, layers_in(input_));
    for (auto const& pattern : chooser_.idle_exclusions()) remarks_.unused.push_back(pattern + " matches no tensor");
    if (chooser_.is_fallback_idle())
      remarks_.unused.push_back("`fallback` changes nothing: neither `exclude` nor a family keeps a weight that is multiplied");
    if (options_.rules == rule_source::named)
      for (auto const* family : chooser_.rules().families)
        if ((family->name != "lora" || sign_of_lora(input_) == nullptr) &&
            std::none_of(input_.tensors().begin(), input_.tensors().end(), [&](auto const& t) {
              return !part_in(t.name, family->keep).empty() || !part_in(t.name, family->remove).empty();
            }))
          remarks_.unused.push_back("the rules of '" + std::string(family->name) + "' match no tensor of this file");
    remarks_.small_share = small_share_warning(plan_, chosen_);
    remarks_.banks = expert_bank_note(plan_);
    remarks_.require_possible();
    plan_.warnings = remarks_.warnings();
    if (options_.strict == strictness::refuse && !plan_.warnings.empty())
      throw usage_error(message{"strict.warnings", "`strict`: " + joined(plan_.warnings, "; ")});
    plan_.notes = remarks_.notes();
    if (options_.requantize == requantization::allow && remarks_.requantized == 0)
      plan_.notes.push_back("`requantize` changes nothing: no layer that is chosen is quantized already");
  }

  /// Notes who loads a layer, and since when: a table is looked up, and a norm no loader decodes.
  void note_loader(planned_tensor const& t) {
    auto const role = chooser_.rules().roles.of(t.input.name, shape_of(t.input));
    auto const needs = loader_of(t.how, options_.markers);
    auto const since = version_of(t.how, options_.markers, use_of(role));
    plan_.needs = std::max(plan_.needs, needs);
    plan_.since = std::max(plan_.since, since);
    if (needs == loader::any || needs == loader::own) return;
    if (role == weight_role::norm || (role == weight_role::table && !since.is_known()))
      remarks_.unread.push_back(quoted(t.input.name));
    else if (role == weight_role::table)
      remarks_.late_tables[to_string(since)].push_back(quoted(t.input.name));
  }

  void lay_out() {
    std::vector<std::pair<std::string, recipe>> layers;
    for (planned_tensor const& t : plan_.tensors) {
      if (t.what != action::quantize) continue;
      layers.emplace_back(layer_of(t.input.name), t.how);
      note_loader(t);
    }
    plan_.metadata = input_.metadata();
    std::erase_if(plan_.metadata, [](auto const& pair) { return pair.first == quant_metadata_key; });
    for (auto const& added : options_.added_metadata) {
      std::erase_if(plan_.metadata, [&](auto const& pair) { return pair.first == added.first; });
      plan_.metadata.push_back(added);
    }
    auto metadata = plan_.metadata;
    if (options_.metadata == quant_metadata::omit) layers.clear();
    if (options_.metadata == quant_metadata::save || !plan_.declared.empty())
      metadata.emplace_back(std::string(quant_metadata_key), quant_metadata_text(layers, options_.markers, plan_.declared));
    plan_.input_data_bytes = input_.data_bytes();
    if (options_.max_shard_bytes != 0) cut_up(metadata);
    if (!plan_.shards.empty()) return;
    std::vector<safetensors::tensor_spec> specs;
    for (planned_tensor const& t : plan_.tensors)
      for (artifact const& a : t.outputs) specs.push_back(a.spec);
    plan_.output = safetensors::arrange(std::move(specs), std::move(metadata));
    plan_.output_bytes = safetensors::file_bytes(plan_.output);
  }

  /// Lays the output out over several files, unless one is enough.
  void cut_up(safetensors::metadata_list const& metadata) {
    auto made = safetensors::arrange_shards(output_groups(plan_.tensors), metadata, options_.max_shard_bytes);
    for (auto const& shard : made.shards)
      if (safetensors::file_bytes(shard) > options_.max_shard_bytes) ++remarks_.oversized;
    if (made.shards.size() == 1) return;
    plan_.output_bytes = made.bytes();
    plan_.output = std::move(made.whole);
    plan_.shards = std::move(made.shards);
  }

  safetensors::header const& input_;
  plan_options const& options_;
  layer_chooser chooser_;
  std::map<std::string_view, std::string_view> companions_;  ///< tensors of quantized layers, and whose
  std::set<std::string, std::less<>> chosen_;                ///< tensors that stay because a flag says so
  plan_remarks remarks_;
  plan plan_;
};

}  // namespace detail

/// Returns what `options` make of a file with the header `input`.
///
/// Throws usage_error for options that contradict each other, a pattern that is no expression or too costly, layers that were
/// named but cannot be stored or named by an expression that finds none, and layers that are quantized already unless the options
/// allow it and say how they decode; unknown_option for an unknown family. Each names what it found. Deterministic.
inline plan make_plan(safetensors::header const& input, plan_options const& options) {
  require_consistent(options);
  if (!options.stored) require_unquantized(input);
  return detail::planner(input, options).make();
}

/// Returns what the finished file of `p` must hold, for `check_contract`.
inline contract contract_of(plan const& p) {
  contract expected{.metadata = p.metadata,
                    .formats = p.formats,
                    .markers = p.markers,
                    .scalars = p.scalars,
                    .saved = p.saved,
                    .declared = p.declared};
  for (planned_tensor const& t : p.tensors) {
    if (t.what == action::keep) expected.copied.push_back({t.input.name, t.input.type, t.input.shape});
    if (t.what != action::quantize) continue;
    extents2 const e{static_cast<index_t>(t.input.shape[0]), static_cast<index_t>(t.input.shape[1])};
    expected.layers.push_back({std::string(layer_of(t.input.name)), e, t.how, t.added});
  }
  return expected;
}

}  // namespace halfstep
