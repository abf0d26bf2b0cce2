// The plan of a file together with what is known of its layers' inputs and what is merged into its weights.
#pragma once

#include <algorithm>
#include <cstddef>
#include <span>
#include <string>
#include <vector>

#include <halfstep/calibration/files.hpp>
#include <halfstep/calibration/layer_inputs.hpp>
#include <halfstep/convert/lora_directions.hpp>
#include <halfstep/convert/options.hpp>
#include <halfstep/core/error.hpp>
#include <halfstep/core/text.hpp>
#include <halfstep/lora/merge.hpp>
#include <halfstep/plan/plan.hpp>
#include <halfstep/recipe/recipe.hpp>
#include <halfstep/safetensors/header.hpp>
#include <halfstep/safetensors/layer_name.hpp>

namespace halfstep {

namespace detail {

/// Returns `wanted` without what is decided when it is known which layers' inputs are known.
inline plan_options without_inputs(plan_options wanted) {
  wanted.static_activations = activation_scales::omit;
  auto const leave_out = [](recipe& how) {
    std::erase_if(how.bases, [](basis_choice const& choice) { return choice.row.need == basis_need::maxima; });
  };
  leave_out(wanted.target);
  for (auto& custom : wanted.custom) leave_out(custom.how);
  if (wanted.fallback) leave_out(*wanted.fallback);
  if (!wanted.layers) return wanted;
  for (auto& entry : wanted.layers->entries) leave_out(entry.fate.how);
  if (wanted.layers->otherwise) leave_out(wanted.layers->otherwise->how);
  return wanted;
}

inline void refuse_warnings(plan_options const& wanted, plan const& p) {
  if (wanted.strict == strictness::refuse && !p.warnings.empty())
    throw usage_error(stated("strict.warnings", "`strict`: {warnings}", {{"warnings", p.warnings.front()}}));
}

/// Adds to `wanted` what the calibration data knows of the layers that are quantized, and returns the plan.
inline plan plan_with_inputs(safetensors::header const& input, calibration_files const& known, bias_policy biases,
                             plan_options& wanted) {
  plan p = make_plan(input, known.any() ? without_inputs(wanted) : wanted);
  if (wanted.target.scales == "mse" && !known.any())
    p.warnings.push_back("`scales mse` without `calibration_data` clips weights that may meet large inputs");
  bool const has_codes = std::any_of(p.tensors.begin(), p.tensors.end(),
                                     [](auto const& t) { return t.what == action::quantize && t.how.format.has_scales(); });
  if (!known.any() || !has_codes) return p;
  std::vector<std::string> layers;
  std::vector<std::string> unseen;
  for (auto const& t : p.tensors) {
    if (t.what != action::quantize) continue;
    layers.emplace_back(layer_of(t.input.name));
    layer_inputs const all = known.inputs_of(layers.back(), static_cast<index_t>(t.input.shape[1]));
    for (auto const& why : all.unseen())
      if (std::find(unseen.begin(), unseen.end(), why) == unseen.end()) unseen.push_back(why);
    known_inputs inputs = all.known();
    if (biases == bias_policy::keep) inputs.mean = false;
    wanted.inputs.emplace(layers.back(), inputs);
  }
  known.require_used(layers, layers_in(input));
  p = make_plan(input, wanted);
  if (!unseen.empty())
    p.warnings.push_back("the calibration data has statistics of nothing: " + some_of(unseen) +
                         "; no scale, no correction and no Hessian comes of them: capture inputs that reach these layers");
  if (auto const unknown = known.unmatched(layers); !unknown.empty())
    p.warnings.push_back("the calibration data has statistics that no quantized layer uses: " + some_of(unknown));
  return p;
}

}  // namespace detail

namespace detail {

/// Says in the plan which layers a LoRA informs, and what of it is for no layer.
inline void describe_directions(calibration_files const& known, lora_directions const& lora,
                                std::span<std::string const> moment_solvers, plan& p) {
  std::size_t informed = 0;
  for (auto const& t : p.tensors) {
    if (t.what != action::quantize || !t.how.format.has_scales()) continue;
    if (std::find(moment_solvers.begin(), moment_solvers.end(), t.how.solver) == moment_solvers.end()) continue;
    auto const layer = layer_of(t.input.name);
    bool const known_already = known.inputs_of(layer, static_cast<index_t>(t.input.shape[1])).hessian_owner().has_value();
    informed += lora.has(layer) && !known_already ? 1 : 0;
  }
  std::string const name = "LoRA " + quoted(lora.path());
  p.notes.push_back("the " + name + " informs " + layers_in_words(informed) + " whose inputs are not known");
  if (!lora.unmatched().empty())
    p.warnings.push_back("the directions of the " + name + " are for no layer of the model: " + some_of(lora.unmatched()));
}

}  // namespace detail

/// Adds to `wanted` what `known` says of the layers that are quantized, and returns the plan, with what there is to say of
/// `merge` and `directions`, each of which may be null.
///
/// Throws what `make_plan` throws, and usage_error for the first warning where `wanted` is strict.
inline plan plan_layers(safetensors::header const& input, calibration_files const& known, lora_merge const* merge,
                        lora_directions const* directions, bias_policy biases, plan_options& wanted) {
  plan p = detail::plan_with_inputs(input, known, biases, wanted);
  if (merge != nullptr) {
    p.warnings.insert(p.warnings.end(), merge->warnings().begin(), merge->warnings().end());
    std::vector<std::string> removed;
    for (auto const& t : p.tensors)
      if (t.what == action::remove && merge->changes(t.input.name)) removed.push_back(t.input.name);
    for (auto const& t : p.tensors)
      if (t.what == action::keep && bits_of(t.input.type) == 8 && merge->changes(t.input.name))
        throw usage_error(stated("lora.no_numbers",
                                 "a LoRA cannot be merged into {'tensor}: it stays {type}, and only numbers in F64, F32, F16 and "
                                 "BF16 take it; decode its layer with `requantize`, or convert the original model",
                                 {{"tensor", t.input.name}, {"type", name_of(t.input.type)}}));
    if (!removed.empty()) p.warnings.push_back("LoRAs change tensors that are left out of the output: " + some_of(removed));
  }
  if (directions != nullptr) detail::describe_directions(known, *directions, wanted.moment_solvers, p);
  detail::refuse_warnings(wanted, p);
  return p;
}

}  // namespace halfstep
