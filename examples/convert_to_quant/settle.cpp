// Defaults that depend on other flags, contradictions, and flags that change nothing here.
#include "settle.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <sstream>
#include <string_view>
#include <utility>

#include <halfstep/core/error.hpp>

#include "advice.hpp"
#include "edit.hpp"
#include "option_table.hpp"

namespace convert_to_quant {

namespace {

[[noreturn]] void contradict(std::string const& what, std::string const& why) {
  throw halfstep::usage_error("'" + what + "' contradicts " + why);
}

/// Whether no layer can be stored as codes, whatever the layers are.
bool is_all_fp16(options const& o) {
  return o.fp16 && o.custom_type.value_or("fp16") == "fp16" && o.fallback.value_or("fp16") == "fp16" && o.layer_config.empty();
}

void require_block_size(std::string const& flag, std::optional<int> const& side) {
  if (side && (*side < 16 || *side > 256 || (*side & (*side - 1)) != 0))
    throw halfstep::usage_error("'" + flag + "' got " + std::to_string(*side) + ", takes a power of two from 16 to 256");
}

/// Throws usage_error unless `holds`.
template <class Value>
void require(bool holds, std::string_view flag, Value got, std::string_view takes) {
  if (holds) return;
  std::ostringstream number;
  number << got;
  throw halfstep::usage_error("'" + std::string(flag) + "' got " + number.str() + ", takes " + std::string(takes));
}

/// Refuses numbers and combinations of scale search and learned rounding that make no sense; says which flags change nothing.
void settle_solver(options& o) {
  auto const& s = o.solve;
  require(s.sqnr_budget_db > 0.0 && s.sqnr_budget_db <= 20.0, "--sqnr-budget", s.sqnr_budget_db, "more than 0 dB, at most 20");
  require(s.top_p > 0.0 && s.top_p <= 1.0, "--top_p", s.top_p, "more than 0, at most 1");
  require(s.min_k >= 1, "--min_k", s.min_k, "1 or more");
  require(s.max_k >= s.min_k, "--max_k", s.max_k, "no less than --min_k");
  require(s.iterations >= 1, "--num_iter", s.iterations, "1 or more");
  require(!s.rate || (*s.rate > 0.0 && std::isfinite(*s.rate)), "--lr", s.rate.value_or(0.0), "a positive number");
  require(s.rate_gamma > 0.0 && s.rate_gamma <= 1.0, "--lr_gamma", s.rate_gamma, "more than 0, at most 1");
  require(s.rate_factor > 0.0 && s.rate_factor < 1.0, "--lr_factor", s.rate_factor, "more than 0, less than 1");
  require(s.rate_patience >= 0, "--lr_patience", s.rate_patience, "0 or more");
  require(s.rate_cooldown >= 0, "--lr_cooldown", s.rate_cooldown, "0 or more");
  require(s.rate_min >= 0.0, "--lr_min", s.rate_min, "0 or more");
  require(s.rate_threshold >= 0.0, "--lr_threshold", s.rate_threshold, "0 or more");
  require(s.rate_shape_influence >= 0.0 && s.rate_shape_influence <= 1.0, "--lr-shape-influence", s.rate_shape_influence,
          "0 to 1");
  require(s.stop_stall >= 1, "--early-stop-stall", s.stop_stall, "1 or more");
  require(o.calib_samples.value_or(1) >= 1, "--calib_samples", o.calib_samples.value_or(1), "1 or more");
  bool const learned = o.optimizer != "auto" && o.optimizer != "none";
  if (o.simple && learned) contradict("--simple", "'--optimizer " + o.optimizer + "'");
  if (o.simple && o.scale_optimization != "auto" && o.scale_optimization != "absmax")
    contradict("--simple", "'--scale_optimization " + o.scale_optimization + "': --simple takes absmax scales");
  if (o.fp16 && learned) contradict("--optimizer " + o.optimizer, "'--fp16': FP16 is rounded to nearest");
  if (o.fp16 && o.scale_optimization != "auto") contradict("--scale_optimization", "'--fp16': FP16 has no scales");
  if (o.fp16 && o.input_scale) contradict("--input_scale", "'--fp16': activations stay as they are");
  if (learned && o.rounding == "stochastic") contradict("--optimizer " + o.optimizer, "'--rounding stochastic'");
  if (o.input_scale && o.calibration_data.empty())
    contradict("--input_scale", "a run without '--calibration-data': activation scales come from measured inputs alone");
  if (o.optimizer == "gptq" && o.calibration_data.empty() && o.calibration_lora.empty())
    o.notes.push_back("--optimizer gptq rounds to nearest here, on searched scales: it needs --calibration-data");
  double const alpha = o.smoothquant_alpha.value_or(0.5);
  require(alpha >= 0.0 && alpha <= 1.0, "--smoothquant-alpha", alpha, "0 to 1");
  if (o.fp8 && o.smoothquant) contradict("--smoothquant", "'--fp8': its factors are stored beside INT8 codes alone");
  if (o.fp16 && o.smoothquant) contradict("--smoothquant", "'--fp16': FP16 is not smoothed");
  if (o.smoothquant_alpha && !o.smoothquant) o.notes.push_back("--smoothquant-alpha changes nothing without --smoothquant");
  if (o.calib_samples) o.notes.push_back("--calib_samples changes nothing: no method of this version uses synthetic inputs");
  if (is_all_fp16(o) && !o.calibration_data.empty())
    o.notes.push_back("--calibration-data changes nothing here: FP16 has no scales, and biases stay as they are");
}

/// Refuses what QuIP cannot do, and says what its flags do not change.
void settle_quip(options& o) {
  require(o.quip_seed.value_or(0) >= 0, "--quip-seed", o.quip_seed.value_or(0), "0 or more");
  require(o.quip_checkpoint_threshold >= 1, "--quip-checkpoint-threshold", o.quip_checkpoint_threshold, "1 or more");
  require(o.quip_checkpoint_segments >= 1, "--quip-checkpoint-segments", o.quip_checkpoint_segments, "1 or more");
  if (o.optimizer != "quip") return;
  if (o.quip_store_transformed && !o.quip_hadamard)
    contradict("--no-quip-hadamard", "'--quip-store-transformed': a dense rotation takes more room than the codes");
  if (o.quip_store_transformed && o.fp8) contradict("--quip-store-transformed", "'--fp8': engines undo it of INT8 codes alone");
  if (o.quip_store_transformed && o.convrot) contradict("--convrot", "'--quip-store-transformed': that rotates all columns");
  if (o.calibration_data.empty() && o.calibration_lora.empty())
    o.notes.push_back("--optimizer quip rounds to nearest here, on searched scales: it needs --calibration-data for more");
  o.solve.feedback.order = o.quip_order;
}

/// Returns whether a flag, in its canonical spelling, was given.
bool is_given(std::vector<std::string> const& arguments, std::string_view flag) {
  return std::ranges::any_of(arguments,
                             [&](std::string const& a) { return a == flag || a.starts_with(std::string(flag) + "="); });
}

/// Says which flags of learned rounding the chosen optimizer does not read.
void note_unread(options& o, std::vector<std::string> const& arguments) {
  bool const gradient = o.optimizer == "original" || o.optimizer == "adamw" || o.optimizer == "radam" || o.optimizer == "prodigy";
  bool const learned = gradient || o.optimizer == "coordinate";
  using halfstep::schedule_kind;
  auto const note = [&](std::string_view flags, bool read, std::string const& who) {
    for (auto const& flag : split(flags))
      if (!read && is_given(arguments, flag)) o.notes.push_back(flag + " changes nothing here: " + who);
  };
  std::string const by = "--optimizer " + o.optimizer;
  bool const feeds_back =
      !o.simple && !o.fp16 && o.rounding == "nearest" && !(o.calibration_data.empty() && o.calibration_lora.empty());
  note("--gptq-actorder,--no-gptq-actorder", o.optimizer == "gptq" || (o.optimizer == "auto" && feeds_back),
       by + " has no order of columns");
  note("--calibration-lora", o.optimizer == "gptq" || o.optimizer == "quip" || (o.optimizer == "auto" && feeds_back),
       o.fp16     ? "FP16 is rounded to nearest"
       : o.simple ? "--simple rounds to nearest"
                  : by + " takes no second moments of inputs");
  bool const is_quip = o.optimizer == "quip";
  note(
      "--quip-actorder,--no-quip-actorder,--quip-store-transformed,--quip-no-store-transformed,--quip-hadamard,"
      "--no-quip-hadamard,--quip-seed,--quip-requant-scheme,--quip-requant-tensor-per-row,--no-quip-requant-tensor-per-row,"
      "--quip-checkpointed,--quip-checkpoint-threshold,--quip-checkpoint-segments",
      is_quip, by + " is not quip");
  note("--quip-hadamard,--no-quip-hadamard,--quip-seed", !is_quip || o.quip_store_transformed,
       "codes that are stored in the original basis are solved there, without a rotation");
  note("--quip-requant-scheme,--quip-requant-tensor-per-row,--no-quip-requant-tensor-per-row",
       !is_quip || !is_given(arguments, "--scaling-mode"), "--scaling_mode says how codes are scaled");
  note("--quip-checkpointed,--quip-checkpoint-threshold,--quip-checkpoint-segments", !is_quip,
       "rows are always worked on in chunks, which changes no code");
  note("--top-p,--min-k,--max-k,--full-matrix,--sqnr-budget", learned, by + " has no such objective");
  note("--num-iter,--lr,--lr-schedule,--early-stop-loss,--early-stop-lr,--early-stop-stall", gradient,
       by + " takes no iterations");
  note("--lr-gamma", gradient && o.solve.schedule == schedule_kind::exponential, "it belongs to --lr_schedule exponential");
  note("--lr-patience,--lr-factor,--lr-min,--lr-cooldown,--lr-threshold,--lr-threshold-mode,--lr-shape-influence",
       gradient && o.solve.schedule == schedule_kind::plateau, "it belongs to --lr_schedule plateau");
  note("--lr-adaptive-mode", gradient && o.solve.schedule == schedule_kind::adaptive, "it belongs to --lr_schedule adaptive");
}

/// Says which flags of markers, scales and random numbers no layer of the run can read.
void note_unstored(options& o, std::vector<std::string> const& arguments) {
  auto const changes_nothing = [&](std::string const& flag, std::string const& why) {
    if (is_given(arguments, flag)) o.notes.push_back(flag + " changes nothing here: " + why);
  };
  if (!o.comfy_quant || is_all_fp16(o))
    changes_nothing("--full-precision-matrix-mult", "it is a key of markers, and none is written");
  bool const alike = !o.custom_scaling_mode && !o.custom_type && !o.fallback && o.layer_config.empty();
  if (alike && !o.input_scale && (o.fp16 || o.scaling_mode.value_or("block") != "tensor"))
    changes_nothing("--no-normalize-scales", "no weight has one scale alone");
  bool const sketched = o.optimizer != "auto" && o.optimizer != "none" && o.optimizer != "gptq" && o.optimizer != "quip";
  if (o.rounding != "stochastic" && !sketched && !(o.optimizer == "quip" && o.quip_store_transformed && !o.quip_seed))
    changes_nothing("--manual-seed", "nothing in this run is random");
  if (!o.fp16 && o.custom_type != "fp16" && o.fallback != "fp16" && o.layer_config.empty())
    changes_nothing("--fp16-overflow", "no layer is stored in FP16");
}

/// Refuses recipes for some layers that make no sense, and says which of their flags change nothing.
void settle_layers(options& o, std::vector<std::string> const& arguments) {
  auto const changes_nothing = [&](std::string const& flag, std::string const& why) {
    if (is_given(arguments, flag)) o.notes.push_back(flag + " changes nothing here: " + why);
  };
  std::vector<std::string> const customs{"--custom-type", "--custom-block-size", "--custom-scaling-mode", "--custom-simple",
                                         "--custom-heur"};
  auto const given = [&](std::string const& flag) { return is_given(arguments, flag); };
  if (o.fullmatch && o.layer_config.empty())
    contradict("--fullmatch", "a run without '--layer-config': it says how the patterns in that file match");
  if (o.custom_layers.empty()) {
    for (auto const& flag : customs)
      if (given(flag)) contradict(flag, "a run without '--custom-layers': it says how those layers are stored");
  } else if (std::ranges::none_of(customs, given)) {
    throw halfstep::usage_error(
        "'--custom-layers' names layers but no recipe: give one of --custom-type, --custom-block-size, --custom-scaling-mode, "
        "--custom-simple and --custom-heur, or --include-layers for the recipe of the run");
  }
  require_block_size("--custom-block-size", o.custom_block_size);
  bool const custom_fp16 = o.custom_type ? *o.custom_type == "fp16" : o.fp16;
  if (custom_fp16 && o.custom_scaling_mode)
    contradict("--custom-scaling-mode",
               (o.custom_type ? "'--custom-type fp16'" : "'--fp16'") + std::string(": FP16 has no scales"));
  if (o.custom_type ? *o.custom_type == "fp8" : o.fp8)
    if (o.custom_scaling_mode == "axis")
      contradict("--custom-scaling-mode axis", "FP8: loaders take one scale a tensor or a block");
  if (custom_fp16) changes_nothing("--custom-simple", "FP16 has no scales to search");
  if (!o.custom_heur && (custom_fp16 || o.custom_scaling_mode.value_or("block") != "block"))
    changes_nothing("--custom-block-size",
                    custom_fp16 ? "FP16 has no blocks" : *o.custom_scaling_mode + " scaling has no blocks");
  if (o.simple && !custom_fp16) changes_nothing("--custom-simple", "--simple holds for all layers");

  if (!o.fallback)
    for (std::string const flag : {"--fallback-block-size", "--fallback-simple"})
      if (given(flag)) contradict(flag, "a run without '--fallback': it says how kept layers are stored");
  require_block_size("--fallback-block-size", o.fallback_block_size);
  if (o.fallback == "fp16") {
    if (!o.heur) changes_nothing("--fallback-block-size", "FP16 has no blocks");
    changes_nothing("--fallback-simple", "FP16 has no scales to search");
  } else if (o.fallback && o.simple) {
    changes_nothing("--fallback-simple", "--simple holds for all layers");
  }
}

/// A LoRA as FILE or FILE:strength; what stands behind the last colon is a strength if it is a number.
halfstep::lora_request lora_of(std::string const& text) {
  auto const colon = text.rfind(':');
  if (colon == std::string::npos) return {text};
  double strength = 0.0;
  char const* const end = text.data() + text.size();
  auto const [stopped, failure] = std::from_chars(text.data() + colon + 1, end, strength);
  if (failure != std::errc{} || stopped != end || !std::isfinite(strength)) return {text};
  return {text.substr(0, colon), strength};
}

/// Brings the LoRAs into one list.
void settle_loras(options& o, std::vector<std::string> const& arguments) {
  if (!o.merge_lora.empty()) o.loras.push_back(lora_of(o.merge_lora));
  for (auto const& text : o.merge_loras) o.loras.push_back(lora_of(text));
  for (auto const& lora : o.loras)
    if (lora.path.empty()) throw halfstep::usage_error("'--merge-lora' got an empty name, takes FILE or FILE:strength");
  require(std::isfinite(o.merge_lora_scale), "--merge-lora-scale", o.merge_lora_scale, "a finite number");
  if (!o.loras.empty()) return;
  for (std::string const flag :
       {"--merge-lora-scale", "--merge-lora-alpha", "--merge-lora-lenient", "--merge-lora-dampen", "--no-merge-lora-dampen"})
    if (is_given(arguments, flag)) o.notes.push_back(flag + " changes nothing here: no LoRA is merged");
}

/// Refuses flags that the job which was asked for does not read.
void require_job(job now, std::vector<std::string> const& arguments) {
  for (auto const& argument : arguments) {
    std::string const flag = argument.substr(0, argument.find('='));
    auto const* const row = row_of(flag);
    if (row == nullptr || row->jobs.contains(now)) continue;
    auto const names = split(row->names);
    auto const name = std::ranges::find(names, flag, [](std::string const& each) { return canonical(each); });
    contradict(*name, row->jobs == job::edit ? "a run without '--edit-quant': it says what to edit"
                      : now == job::legacy   ? "'--convert-legacy': it copies codes as they are"
                                             : "'--edit-quant': an edit changes markers, and no weight is quantized");
  }
}

/// Refuses what has no meaning where codes are copied.
void settle_legacy(options& o) {
  if (o.dry_run == "create-template") contradict("--dry-run create-template", "'--convert-legacy': it has no recipes");
  if (o.progress == progress_style::bar || o.progress == progress_style::plain)
    o.notes.push_back("--progress changes nothing here: codes are copied without a word");
}

/// Refuses a switch beside the one that turns it off: neither is worth more than the other.
void refuse_opposites(std::vector<std::string> const& given) {
  static constexpr std::pair<std::string_view, std::string_view> opposites[] = {
      {"--gptq-actorder", "--no-gptq-actorder"},
      {"--quip-actorder", "--no-quip-actorder"},
      {"--quip-hadamard", "--no-quip-hadamard"},
      {"--quip-store-transformed", "--quip-no-store-transformed"},
      {"--quip-requant-tensor-per-row", "--no-quip-requant-tensor-per-row"},
      {"--merge-lora-dampen", "--no-merge-lora-dampen"}};
  for (auto const& [one, other] : opposites)
    if (is_given(given, one) && is_given(given, other)) contradict(std::string(one), "'" + std::string(other) + "'");
}

/// Settles how much is said, and where.
void settle_words(options& o, std::vector<std::string> const& given) {
  if (o.quiet && (o.level == verbosity::verbose || o.level == verbosity::debug))
    contradict("--quiet", "'--verbose " + std::string(o.level == verbosity::debug ? "DEBUG" : "VERBOSE") + "'");
  if (o.quiet) o.level = verbosity::minimal;
  if (!o.log_file.empty() && o.log_file == o.report_file)
    contradict("--log " + o.log_file, "'--report-quality " + o.report_file + "': each needs a file of its own");
  require(std::isfinite(o.quality_threshold), "--quality-threshold", o.quality_threshold, "a number of dB");
  require(std::isfinite(o.fail_below.value_or(0.0)), "--fail-below", o.fail_below.value_or(0.0), "a number of dB");
  for (std::string const flag : {"--report-quality", "--fail-below"})
    if (o.dry_run && is_given(given, flag)) o.notes.push_back(flag + " changes nothing here: a dry run measures nothing");
}

/// Fills in what a recipe stands for, and refuses contradictions.
void settle_formats(options& o) {
  require_other_markers(o);
  bool const is_lora = o.preset == "lora" || std::ranges::find(o.families, "lora") != o.families.end();
  if (!o.recipe && !any_format_flag(o)) {
    if (is_lora)
      o.scaling_mode = "axis";  // no side of a block divides most ranks
    else
      o.recipe = "comfyui";
  }
  if (o.optimizer == "quip" && !o.scaling_mode && !o.fp16)
    o.scaling_mode = o.quip_requant_scheme == "block" ? "block" : o.quip_requant_per_row && !o.fp8 ? "axis" : "tensor";
  if (o.recipe == "comfyui" || o.recipe == "fork") {
    o.comfy_quant = true;
    if (o.recipe == "fork" && !o.comfy_target) o.comfy_target = "fork";
    if (o.recipe == "comfyui" && !o.fp16) {
      if (!o.scaling_mode && !o.block_size) o.scaling_mode = o.fp8 ? "tensor" : "axis";
      bool const rotates = o.optimizer == "quip" && o.quip_store_transformed;
      if (o.scaling_mode == "axis" && !rotates) o.convrot = true;
    }
  }
  std::string const mode = o.scaling_mode.value_or("block");
  if (o.int8 && o.fp16) contradict("--int8", "'--fp16': choose one format");
  if (o.fp8 && (o.int8 || o.fp16)) contradict("--fp8", std::string(o.int8 ? "'--int8'" : "'--fp16'") + ": choose one format");
  if (o.fp8 && o.convrot) contradict("--convrot", "'--fp8': only INT8 codes are rotated");
  if (o.fp8 && mode == "axis")
    contradict("--scaling_mode axis", "'--fp8': loaders take one scale a tensor or a block, --scaling_mode tensor or block");
  if (o.fp16 && o.convrot) contradict("--convrot", "'--fp16': only INT8 codes are rotated");
  if (o.fp16 && o.scaling_mode) contradict("--scaling_mode", "'--fp16': FP16 has no scales");
  if (o.convrot && mode != "axis") contradict("--convrot", mode + " scaling: it needs --scaling_mode axis");
  if (o.convrot_group_size && !o.convrot) contradict("--convrot-group-size", "a run without '--convrot'");
  require_block_size("--block_size", o.block_size);
  if (o.convrot_group_size && *o.convrot_group_size != 16 && *o.convrot_group_size != 64 && *o.convrot_group_size != 256)
    throw halfstep::usage_error("'--convrot-group-size' got " + std::to_string(*o.convrot_group_size) + ", takes 16, 64 or 256");
  if (o.comfy_target && !o.comfy_quant)
    contradict("--comfy_target", "a run without '--comfy_quant': there are no markers to name");
  if (o.preset && !o.families.empty())
    contradict("--preset " + *o.preset, "'--" + o.families.front() + "': both choose the family");
  settle_solver(o);
  settle_quip(o);
  if (o.threads && *o.threads < 1)
    throw halfstep::usage_error("'--threads' got " + std::to_string(*o.threads) + ", takes 1 or more");
  if (o.manual_seed < -1)
    throw halfstep::usage_error("'--manual_seed' got " + std::to_string(o.manual_seed) + ", takes -1 or more");
  if (o.memory_budget != 0 && o.memory_budget < (std::uint64_t{16} << 20))
    throw halfstep::usage_error("'--memory-budget' got " + std::to_string(o.memory_budget) + " bytes, takes 16M or more");
  if (o.max_shard_size && *o.max_shard_size < (std::uint64_t{64} << 10))
    throw halfstep::usage_error("'--max-shard-size' got " + std::to_string(*o.max_shard_size) + " bytes, takes 64K or more");
  if (o.block_size && !o.heur && (o.fp16 || mode != "block"))
    o.notes.push_back("--block_size changes nothing here: " + std::string(o.fp16 ? "FP16" : mode + " scaling") +
                      " has no blocks");
}

}  // namespace

bool any_format_flag(options const& o) {
  return o.comfy_quant || o.comfy_target || o.int8 || o.fp16 || o.fp8 || o.scaling_mode || o.block_size || o.convrot ||
         !o.layer_config.empty();
}

void settle(options& o, std::vector<std::string> const& given) {
  require_job(o.edit_quant ? job::edit : o.convert_legacy ? job::legacy : job::conversion, given);
  refuse_opposites(given);
  settle_words(o, given);
  if (o.edit_quant) return settle_edit(o);
  if (o.convert_legacy) return settle_legacy(o);
  settle_formats(o);
  settle_layers(o, given);
  settle_loras(o, given);
  note_unread(o, given);
  note_unstored(o, given);
}

}  // namespace convert_to_quant
