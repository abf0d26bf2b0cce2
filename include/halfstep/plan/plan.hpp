// What a conversion will do to every tensor, decided from names, shapes and options alone.
#pragma once

#include <algorithm>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <halfstep/core/error.hpp>
#include <halfstep/plan/input_check.hpp>
#include <halfstep/plan/layer_choice.hpp>
#include <halfstep/plan/model_rules.hpp>
#include <halfstep/plan/options.hpp>
#include <halfstep/plan/plan_remarks.hpp>
#include <halfstep/plan/presets.hpp>
#include <halfstep/plan/rule.hpp>
#include <halfstep/recipe/artifact.hpp>
#include <halfstep/recipe/comfy_quant.hpp>
#include <halfstep/recipe/contract.hpp>
#include <halfstep/recipe/recipe.hpp>
#include <halfstep/safetensors/header.hpp>
#include <halfstep/safetensors/text.hpp>

namespace halfstep {

/// One input tensor and its fate.
struct planned_tensor {
  safetensors::tensor input;
  action what = action::keep;
  recipe how;                     ///< with action::quantize; `rotation_group` is the one this layer takes
  std::string reason;             ///< why, in a few words
  std::vector<artifact> outputs;  ///< what is written: codes first; for a kept tensor its own name, type and shape; none of a
                                  ///< bias that is corrected: its layer's weight has it
  layer_additions added = {};     ///< with action::quantize
};

/// The whole of a conversion, before any tensor byte is read.
struct plan {
  std::vector<planned_tensor> tensors;  ///< in the order of the input's bytes
  std::string rules;                    ///< which rules were applied and how they were chosen, as a sentence
  std::vector<std::string> families;    ///< names of the families whose rules were applied; empty for the general rule
  std::vector<std::string> warnings;    ///< one sentence each
  std::vector<std::string> notes;       ///< one sentence each: what is as documented, and good to know
  marker_style markers = marker_style::comfyui;
  lone_scale scalars = lone_scale::scalar;
  quant_metadata saved = quant_metadata::omit;
  loader needs = loader::any;           ///< the most particular program that any layer needs
  safetensors::metadata_list metadata;  ///< the input's pairs, and those that the options add
  safetensors::header output;           ///< names, shapes, offsets and metadata of the file to be written
  std::uint64_t input_data_bytes = 0;   ///< bytes of all input tensors
  std::uint64_t output_bytes = 0;       ///< size of the output file, exact
};

namespace detail {

/// Makes a plan, one decision after the other.
class planner {
 public:
  planner(safetensors::header const& input, plan_options const& options)
      : input_(input), options_(options), chooser_(options, rules_for(input, options)) {}

  plan make() {
    plan_.markers = options_.markers;
    plan_.scalars = options_.scalars;
    plan_.saved = options_.metadata;
    plan_.rules = chooser_.rules().sentence;
    for (auto const* family : chooser_.rules().families) plan_.families.emplace_back(family->name);
    for (safetensors::tensor const& t : input_.tensors()) plan_.tensors.push_back(decide(t));
    add_what_inputs_allow();
    speak();
    lay_out();
    return std::move(plan_);
  }

 private:
  static extents2 shape_of(safetensors::tensor const& t) {
    return {static_cast<index_t>(t.shape[0]), static_cast<index_t>(t.shape[1])};
  }

  planned_tensor decide(safetensors::tensor const& t) {
    layer_choice choice = chooser_.choose(t);
    if (choice.what == action::remove) return {t, action::remove, {}, std::move(choice.reason), {}};
    return choice.what == action::keep ? kept(t, std::move(choice.reason)) : quantized(t, std::move(choice));
  }

  static planned_tensor kept(safetensors::tensor const& t, std::string reason) {
    return {t, action::keep, {}, std::move(reason), {{artifact_role::copy, {t.name, t.type, t.shape}}}};
  }

  planned_tensor quantized(safetensors::tensor const& t, layer_choice choice) {
    extents2 const e = shape_of(t);
    recipe how = choice.how;
    if (how.format == scheme::fp16 && t.type == dtype::f16) return kept(t, "already FP16");
    if (choice.sizes == size_rule::heuristic) {
      auto const side = static_cast<index_t>(how.block_size);
      if (std::min(e.rows, e.columns) < side || e.rows % side != 0 || e.columns % side != 0)
        return kept(t, std::string(choice.by == naming::flag ? "--custom-heur" : "--heur") +
                           ": smaller than or not divisible by " + std::to_string(side));
    }
    if (auto const why = obstacle({.format = how.format, .block_size = how.block_size, .basis = how.basis}, e); !why.empty()) {
      bool const fatal = choice.by == naming::flag || options_.strict == strictness::refuse;
      std::string const by = choice.by == naming::flag ? " (" + choice.reason + ")" : "";
      (fatal ? remarks_.refused : remarks_.unstorable)[to_string(how)].push_back(safetensors::quoted(t.name) + " " + why + by);
      return kept(t, "cannot be stored: " + why);
    }
    how.rotation_group = rotation_group_for(e.columns, choice.how.rotation_group);
    remarks_.padded += stored_extents(how, e) == e ? 0 : 1;
    if (how.rotation_group == 0 && choice.how.rotation_group != 0) remarks_.unrotated.push_back(safetensors::quoted(t.name));
    if (how.smoothing && !knows_maxima(t)) {
      how.smoothing.reset();
      remarks_.unsmoothed.push_back(safetensors::quoted(layer_of(t.name)));
    }
    ++remarks_.quantized;
    return {t, action::quantize, how, std::move(choice.reason),
            artifacts_of(layer_of(t.name), e, how, options_.markers, options_.scalars)};
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
      if (t.what != action::quantize || !has_scales(t.how.format)) continue;
      std::string const layer(layer_of(t.input.name));
      auto const known = options_.inputs.find(layer);
      known_inputs const inputs = known == options_.inputs.end() ? known_inputs{} : known->second;
      if (options_.static_activations == activation_scales::store) {
        if (gives_scale(inputs.range, t.how))
          t.added.input_scale = activation_scales::store;
        else
          remarks_.unranged.push_back(safetensors::quoted(layer));
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
    if (how.basis == storage_basis::incoherent) return false;
    return range == known_range::any || (range == known_range::unrotated && how.rotation_group == 0) ||
           (range == known_range::stated && how.rotation_group == 0 && !how.smoothing);
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
    for (auto const& pattern : chooser_.idle_exclusions()) remarks_.unused.push_back(pattern + " matches no tensor");
    if (chooser_.is_fallback_idle())
      remarks_.unused.push_back("--fallback changes nothing: neither --exclude-layers nor a family keeps a weight");
    if (options_.rules == rule_source::named)
      for (auto const* family : chooser_.rules().families)
        if (std::none_of(input_.tensors().begin(), input_.tensors().end(), [&](auto const& t) {
              return !part_in(t.name, family->keep).empty() || !part_in(t.name, family->remove).empty();
            }))
          remarks_.unused.push_back("the rules of '" + std::string(family->name) + "' match no tensor of this file");
    remarks_.require_possible();
    plan_.warnings = remarks_.warnings();
    if (options_.strict == strictness::refuse && !plan_.warnings.empty())
      throw usage_error("--strict: " + joined(plan_.warnings, "; "));
    plan_.notes = remarks_.notes();
  }

  void lay_out() {
    std::vector<safetensors::tensor_spec> specs;
    std::vector<std::pair<std::string, recipe>> layers;
    for (planned_tensor const& t : plan_.tensors) {
      for (artifact const& a : t.outputs) specs.push_back(a.spec);
      if (t.what != action::quantize) continue;
      layers.emplace_back(layer_of(t.input.name), t.how);
      plan_.needs = std::max(plan_.needs, loader_of(t.how, options_.markers));
    }
    plan_.metadata = input_.metadata();
    for (auto const& added : options_.added_metadata) {
      std::erase_if(plan_.metadata, [&](auto const& pair) { return pair.first == added.first; });
      plan_.metadata.push_back(added);
    }
    auto metadata = plan_.metadata;
    if (options_.metadata == quant_metadata::save)
      metadata.emplace_back(std::string(quant_metadata_key), quant_metadata_text(layers, options_.markers));
    plan_.output = safetensors::arrange(std::move(specs), std::move(metadata));
    plan_.input_data_bytes = input_.data_bytes();
    plan_.output_bytes = 8 + safetensors::serialize(plan_.output).size() + plan_.output.data_bytes();
  }

  safetensors::header const& input_;
  plan_options const& options_;
  layer_chooser chooser_;
  plan_remarks remarks_;
  plan plan_;
};

}  // namespace detail

/// Returns what `options` make of a file with the header `input`.
///
/// Throws usage_error for options that contradict each other, a pattern that is no expression or too costly, layers that were
/// named but cannot be stored or named by an expression that finds none, and an input that is already quantized; unknown_option
/// for an unknown family. Each names what it found. Deterministic.
inline plan make_plan(safetensors::header const& input, plan_options const& options) {
  require_consistent(options);
  require_unquantized(input);
  return detail::planner(input, options).make();
}

/// Returns what the finished file of `p` must hold, for `check_contract`.
inline contract contract_of(plan const& p) {
  contract expected{.metadata = p.metadata, .markers = p.markers, .scalars = p.scalars, .saved = p.saved};
  for (planned_tensor const& t : p.tensors) {
    if (t.what == action::keep) expected.copied.push_back({t.input.name, t.input.type, t.input.shape});
    if (t.what != action::quantize) continue;
    extents2 const e{static_cast<index_t>(t.input.shape[0]), static_cast<index_t>(t.input.shape[1])};
    expected.layers.push_back({std::string(layer_of(t.input.name)), e, t.how, t.added});
  }
  return expected;
}

}  // namespace halfstep
