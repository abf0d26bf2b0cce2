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
#include <halfstep/plan/architecture.hpp>
#include <halfstep/plan/input_check.hpp>
#include <halfstep/plan/layer_pattern.hpp>
#include <halfstep/plan/options.hpp>
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

/// Returns up to four of `names`, and how many more there are.
inline std::string some_of(std::vector<std::string> const& names) {
  std::string text;
  for (std::size_t i = 0; i < std::min<std::size_t>(names.size(), 4); ++i) text += (i == 0 ? "" : ", ") + names[i];
  return names.size() > 4 ? text + " and " + std::to_string(names.size() - 4) + " more" : text;
}

inline std::string layers_in_words(std::size_t count) { return std::to_string(count) + (count == 1 ? " layer" : " layers"); }

/// Why a tensor cannot become codes whatever the rules say; empty where it can.
inline std::string unfit(safetensors::tensor const& t, plan_options const& options) {
  if (t.shape.size() != 2) return "not a 2-D weight";
  if (layer_of(t.name).empty()) return "its name does not end in .weight";
  if (t.shape[0] == 0 || t.shape[1] == 0) return "holds no elements";
  if (t.type != dtype::f64 && t.type != dtype::f32 && t.type != dtype::f16 && t.type != dtype::bf16)
    return std::string(name_of(t.type)) + " is no floating type that is quantized";
  if (options.target.format == scheme::fp16 && t.type == dtype::f16) return "already FP16";
  if (options.nonfinite.contains(t.name)) return "holds NaN or Inf";
  return {};
}

/// Makes a plan, one decision after the other.
class planner {
 public:
  planner(safetensors::header const& input, plan_options const& options) : input_(input), options_(options) {
    for (auto const& text : options.exclude) exclude_.push_back({layer_pattern("--exclude-layers", text)});
    for (auto const& text : options.include) include_.push_back({layer_pattern("--include-layers", text)});
  }

  plan make() {
    plan_.markers = options_.markers;
    plan_.scalars = options_.scalars;
    plan_.saved = options_.metadata;
    choose_rules();
    for (safetensors::tensor const& t : input_.tensors()) plan_.tensors.push_back(decide(t));
    add_what_inputs_allow();
    speak();
    lay_out();
    return std::move(plan_);
  }

 private:
  enum class fitness : std::uint8_t { fit, unfit };
  enum class naming : std::uint8_t { rule, flag };

  struct counted_pattern {
    layer_pattern expression;
    std::size_t uses = 0;  ///< weights it speaks for
  };

  static extents2 shape_of(safetensors::tensor const& t) {
    return {static_cast<index_t>(t.shape[0]), static_cast<index_t>(t.shape[1])};
  }

  void choose_rules() {
    if (options_.rules == rule_source::none) {
      plan_.rules = "no rules: every 2-D weight";
      return;
    }
    if (options_.rules == rule_source::named) {
      for (auto const& name : options_.families) {
        auto const* family = family_named(name);
        if (family == nullptr)
          throw unknown_option("--preset: unknown model family " + safetensors::quoted(name) + "; known: " + known_families());
        families_.push_back(family);
      }
      if (families_.empty()) throw usage_error("no model family is named; known: " + known_families());
    } else {
      std::vector<std::string_view> names;
      for (auto const& t : input_.tensors()) names.emplace_back(t.name);
      if (auto const* family = recognise(names)) families_.push_back(family);
    }
    for (auto const* family : families_) plan_.families.emplace_back(family->name);
    plan_.rules = families_.empty() ? "no known model family: the general rule" : "rules of ";
    for (std::size_t i = 0; i < families_.size(); ++i) plan_.rules += (i == 0 ? "" : ", ") + std::string(families_[i]->name);
    if (!families_.empty())
      plan_.rules += options_.rules == rule_source::named ? " (as asked)" : " (recognised from the tensor names)";
  }

  static std::vector<counted_pattern*> matching(std::vector<counted_pattern>& patterns, std::string_view name) {
    std::vector<counted_pattern*> found;
    for (counted_pattern& p : patterns)
      if (p.expression.matches(name)) found.push_back(&p);
    return found;
  }

  ruling rule_for(safetensors::tensor const& t, fitness const fit) const {
    if (!families_.empty()) return family_rule(t.name, families_);
    if (options_.rules == rule_source::none || fit == fitness::unfit) return {action::quantize, "every 2-D weight"};
    return general_rule(t.name, shape_of(t));
  }

  planned_tensor decide(safetensors::tensor const& t) {
    std::string const why_unfit = unfit(t, options_);
    auto const included = matching(include_, t.name);
    auto const excluded = matching(exclude_, t.name);
    for (counted_pattern* p : included) p->uses += why_unfit.empty() ? 1 : 0;
    for (counted_pattern* p : excluded) ++p->uses;
    ruling verdict = rule_for(t, why_unfit.empty() ? fitness::fit : fitness::unfit);
    if (!included.empty())
      verdict = {action::quantize, included.front()->expression.source()};
    else if (!excluded.empty())
      verdict = {action::keep, excluded.front()->expression.source()};
    if (verdict.what == action::remove) return {t, action::remove, {}, std::move(verdict.reason), {}};
    if (!why_unfit.empty()) return kept(t, why_unfit);
    if (verdict.what == action::keep) return kept(t, std::move(verdict.reason));
    return quantized(t, std::move(verdict.reason), included.empty() ? naming::rule : naming::flag);
  }

  static planned_tensor kept(safetensors::tensor const& t, std::string reason) {
    return {t, action::keep, {}, std::move(reason), {{artifact_role::copy, {t.name, t.type, t.shape}}}};
  }

  planned_tensor quantized(safetensors::tensor const& t, std::string reason, naming const by) {
    extents2 const e = shape_of(t);
    recipe how = options_.target;
    if (options_.sizes == size_rule::heuristic && by == naming::rule) {
      auto const side = static_cast<index_t>(how.block_size);
      if (std::min(e.rows, e.columns) < side || e.rows % side != 0 || e.columns % side != 0)
        return kept(t, "--heur: smaller than or not divisible by " + std::to_string(side));
    }
    if (auto const why = obstacle({.format = how.format, .block_size = how.block_size, .basis = how.basis}, e); !why.empty()) {
      (by == naming::flag || options_.strict == strictness::refuse ? refused_ : unstorable_)
          .push_back(safetensors::quoted(t.name) + " " + why);
      return kept(t, "cannot be stored: " + why);
    }
    how.rotation_group = rotation_group_for(e.columns, options_.target.rotation_group);
    padded_ += stored_extents(how, e) == e ? 0 : 1;
    if (how.rotation_group == 0 && options_.target.rotation_group != 0) unrotated_.push_back(safetensors::quoted(t.name));
    if (how.smoothing && !knows_maxima(t)) {
      how.smoothing.reset();
      unsmoothed_.push_back(safetensors::quoted(layer_of(t.name)));
    }
    ++quantized_;
    return {t, action::quantize, how, std::move(reason),
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
      if (t.what != action::quantize || t.how.format == scheme::fp16) continue;
      std::string const layer(layer_of(t.input.name));
      auto const known = options_.inputs.find(layer);
      known_inputs const inputs = known == options_.inputs.end() ? known_inputs{} : known->second;
      if (options_.static_activations == activation_scales::store) {
        if (gives_scale(inputs.range, t.how))
          t.added.input_scale = activation_scales::store;
        else
          unranged_.push_back(safetensors::quoted(layer));
      }
      auto const bias = biases.find(layer + ".bias");
      if (inputs.mean && bias != biases.end() && can_correct(bias->second->input, t.input)) {
        t.added.bias = bias->second->input.type;
        bias->second->what = action::correct;
        bias->second->reason = "corrected for the mean of its layer's inputs";
        bias->second->outputs.clear();
        ++corrected_;
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
    auto const named = [&](auto const& patterns) {
      return std::any_of(patterns.begin(), patterns.end(), [&](auto const& p) { return p.expression.matches(bias.name); });
    };
    bool const floating =
        bias.type == dtype::f32 || bias.type == dtype::f16 || bias.type == dtype::bf16 || bias.type == dtype::f64;
    return floating && bias.shape == std::vector{weight.shape[0]} && (!named(exclude_) || named(include_)) &&
           !options_.nonfinite.contains(bias.name);
  }

  /// Turns what was noticed into one error, or into warnings and notes.
  void speak() {
    auto const format = to_string(options_.target);
    if (!refused_.empty()) {
      std::string text = layers_in_words(refused_.size()) + " cannot be stored as " + format + ": ";
      for (std::size_t i = 0; i < refused_.size(); ++i) text += (i == 0 ? "" : "; ") + refused_[i];
      throw usage_error(text + "; leave them out with --exclude-layers, or choose another --scaling_mode or --block_size");
    }
    if (!unstorable_.empty())
      plan_.warnings.push_back(layers_in_words(unstorable_.size()) + " cannot be stored as " + format +
                               ", copied unchanged: " + some_of(unstorable_));
    for (auto const* patterns : {&include_, &exclude_})
      for (auto const& p : *patterns)
        if (p.uses == 0)
          plan_.warnings.push_back(p.expression.source() +
                                   (patterns == &include_ ? " matches no weight that can be quantized" : " matches no tensor"));
    for (auto const* family : options_.rules == rule_source::named ? families_ : std::vector<model_family const*>{})
      if (std::none_of(input_.tensors().begin(), input_.tensors().end(), [&](auto const& t) {
            return !part_in(t.name, family->keep).empty() || !part_in(t.name, family->remove).empty();
          }))
        plan_.warnings.push_back("the rules of '" + std::string(family->name) + "' match no tensor of this file");
    if (!unranged_.empty())
      plan_.warnings.push_back("the calibration data cannot give " + layers_in_words(unranged_.size()) +
                               " a static activation scale: " + some_of(unranged_) +
                               "; a rotated layer needs sampled inputs (`.input`)");
    if (!unsmoothed_.empty())
      plan_.warnings.push_back("--smoothquant leaves out " + layers_in_words(unsmoothed_.size()) +
                               " whose largest inputs are unknown: " + some_of(unsmoothed_) +
                               "; they come from --calibration-data with `.channel_max` or sampled inputs (`.input`)");
    if (quantized_ == 0) plan_.warnings.push_back("no layer is quantized");
    if (options_.strict == strictness::refuse && !plan_.warnings.empty()) {
      std::string text = "--strict: ";
      for (std::size_t i = 0; i < plan_.warnings.size(); ++i) text += (i == 0 ? "" : "; ") + plan_.warnings[i];
      throw usage_error(text);
    }
    if (!unrotated_.empty())
      plan_.notes.push_back("no rotation group divides the columns of " + layers_in_words(unrotated_.size()) +
                            ", stored unrotated: " + some_of(unrotated_));
    if (padded_ != 0)
      plan_.notes.push_back("QuIP's transform pads " + layers_in_words(padded_) +
                            " to powers of two: their codes take more room");
    if (corrected_ != 0)
      plan_.notes.push_back("the biases of " + layers_in_words(corrected_) + " are corrected for the mean of their inputs");
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
  std::vector<counted_pattern> exclude_;
  std::vector<counted_pattern> include_;
  std::vector<model_family const*> families_;
  std::vector<std::string> unstorable_;
  std::vector<std::string> refused_;
  std::vector<std::string> unrotated_;
  std::vector<std::string> unranged_;
  std::vector<std::string> unsmoothed_;
  std::size_t corrected_ = 0;
  std::size_t padded_ = 0;
  std::size_t quantized_ = 0;
  plan plan_;
};

}  // namespace detail

/// Returns what `options` make of a file with the header `input`.
///
/// Throws usage_error for options that contradict each other, a pattern that is no expression or too costly, layers that were
/// named but cannot be stored, and an input that is already quantized; unknown_option for an unknown family. Each names what it
/// found. Deterministic.
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
