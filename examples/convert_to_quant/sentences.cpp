// One table, from the names of options to the flags that set them.
#include "sentences.hpp"

#include "program/in_flags.hpp"

namespace convert_to_quant {

namespace {

constexpr program::option_name names[] = {{"analyze", "--dry-run"},
                                          {"block_size", "--block_size"},
                                          {"calibration_data", "--calibration-data"},
                                          {"custom sizes", "--custom-heur"},
                                          {"custom", "--custom-layers"},
                                          {"edit add", "--add-tensors"},
                                          {"edit layers", "--quant-filter"},
                                          {"edit remove", "--remove-keys"},
                                          {"edit set", "--add-keys"},
                                          {"exclude", "--exclude-layers"},
                                          {"fail_below_db", "--fail-below"},
                                          {"fallback", "--fallback"},
                                          {"families lora", "--lora"},
                                          {"families", "--preset"},
                                          {"format fp16", "--fp16"},
                                          {"format fp8", "--fp8"},
                                          {"format int8", "--int8"},
                                          {"include", "--include-layers"},
                                          {"incoherent", "--quip-store-transformed"},
                                          {"iterations", "--num-iter"},
                                          {"layers", "--layer-config"},
                                          {"legacy_conversion", "--convert-legacy"},
                                          {"loras", "--merge-lora"},
                                          {"lora_alpha config", "--merge-lora-alpha config"},
                                          {"lora_alpha header", "--merge-lora-alpha header"},
                                          {"lora_alpha rank", "--merge-lora-alpha rank"},
                                          {"lora_alpha tensors", "--merge-lora-alpha tensors"},
                                          {"markers comfyui", "--recipe comfyui"},
                                          {"markers fork", "--comfy_target fork"},
                                          {"markers none", "--recipe engine"},
                                          {"markers", "--comfy_quant"},
                                          {"max_k", "--max-k"},
                                          {"max_shard_bytes", "--max-shard-size"},
                                          {"metadata", "--save-quant-metadata"},
                                          {"min_k", "--min-k"},
                                          {"nonfinite keep", "--nan keep"},
                                          {"order", "--gptq-actorder"},
                                          {"overwrite", "--force"},
                                          {"piece_bytes", "--memory-budget"},
                                          {"overflow clamp", "--fp16-overflow clamp"},
                                          {"overflow keep", "--fp16-overflow keep"},
                                          {"quip_seed", "--quip-seed"},
                                          {"rate_cooldown", "--lr-cooldown"},
                                          {"rate_factor", "--lr-factor"},
                                          {"rate_gamma", "--lr-gamma"},
                                          {"rate_min", "--lr-min"},
                                          {"rate_patience", "--lr-patience"},
                                          {"rate_shape_influence", "--lr-shape-influence"},
                                          {"rate_threshold_mode", "--lr-threshold-mode"},
                                          {"rate_threshold", "--lr-threshold"},
                                          {"rate", "--lr"},
                                          {"requantize", "--requantize"},
                                          {"reset", "--lr-adaptive-mode"},
                                          {"rotation group", "--convrot-group-size"},
                                          {"rotation", "--convrot"},
                                          {"rounding stochastic", "--rounding stochastic"},
                                          {"scales mse", "--scale_optimization mse"},
                                          {"scales", "--scale_optimization"},
                                          {"scaling axis", "--scaling_mode axis"},
                                          {"scaling tensor", "--scaling_mode tensor"},
                                          {"schedule", "--lr-schedule"},
                                          {"sizes", "--heur"},
                                          {"smoothing alpha", "--smoothquant-alpha"},
                                          {"smoothing", "--smoothquant"},
                                          {"solver quip", "--optimizer quip"},
                                          {"sqnr_budget_db", "--sqnr-budget"},
                                          {"static activations", "--input_scale"},
                                          {"stop_loss", "--early-stop-loss"},
                                          {"stop_rate", "--early-stop-lr"},
                                          {"stop_stall", "--early-stop-stall"},
                                          {"strict", "--strict"},
                                          {"svd", "--full-matrix"},
                                          {"top_p", "--top-p"},
                                          {"unfinished keep", "--resume"},
                                          {"unmatched warn", "--merge-lora-lenient"}};

}  // namespace

std::string in_flags(std::string_view text) { return program::in_flags(text, names); }

halfstep::plan in_flags(halfstep::plan p) {
  p.rules = in_flags(p.rules);
  for (auto& t : p.tensors) t.reason = in_flags(t.reason);
  for (auto* list : {&p.warnings, &p.notes})
    for (auto& text : *list) text = in_flags(text);
  return p;
}

halfstep::run_report in_flags(halfstep::run_report r) {
  for (auto& text : r.warnings) text = in_flags(text);
  return r;
}

}  // namespace convert_to_quant
