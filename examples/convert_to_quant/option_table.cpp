// The flags, one row each, in the order of the help.
#include "option_table.hpp"

#include <algorithm>

#include "option_binders.hpp"

namespace convert_to_quant {

namespace {

using namespace binders;

constexpr auto main_page = help_page::main;
constexpr auto experimental = help_page::experimental;
constexpr auto filters = help_page::filters;
constexpr auto advanced = help_page::advanced;

constexpr job_set conversion = job::conversion;
constexpr job_set legacy = job::legacy;
constexpr job_set edit = job::edit;
constexpr job_set every_job = conversion | legacy | edit;

constexpr option_row table[] = {
    {main_page, every_job, "-i,--input", "PATH", "required",
     "a .safetensors file, the .index.json of shards, or a folder with either; -i itself may be left out",
     set_value<&options::input>},
    {main_page, every_job, "-o,--output", "PATH", "from the input's name", "the file to write", set_value<&options::output>},
    {main_page, conversion, "--recipe", "{comfyui, fork, engine}", "comfyui without a format flag",
     "a whole set of defaults: comfyui is --comfy_quant --scaling_mode axis --convrot, fork is --comfy_quant --comfy_target "
     "fork, "
     "engine is block scales without markers; flags beside it override",
     set_word<&options::recipe>},
    {main_page, conversion, "--comfy_quant", "", "off", "write ComfyUI's keys and markers", set_switch<&options::comfy_quant>},
    {main_page, conversion | legacy, "--comfy_target", "{comfyui, fork}", "comfyui", "whose names axis scaling gets",
     set_word<&options::comfy_target>},
    {main_page, conversion, "--int8", "", "on", "INT8 codes", set_switch<&options::int8>},
    {main_page, conversion, "--fp16", "", "off", "FP16 numbers", set_switch<&options::fp16>},
    {main_page, conversion, "--fp8", "", "off", "FP8 E4M3 codes, with a scale a tensor or a block", set_switch<&options::fp8>},
    {main_page, conversion, "--scaling_mode", "{block, axis, tensor}", "block",
     "what shares a scale; row is another name of axis", set_scaling_mode<&options::scaling_mode>},
    {main_page, conversion, "--block_size,--group_size", "N", "128", "side of a block: a power of two from 16 to 256",
     set_value<&options::block_size>},
    {main_page, conversion, "--convrot", "", "off", "rotate each group of columns by a Hadamard matrix; needs axis scaling",
     set_switch<&options::convrot>},
    {main_page, conversion, "--convrot-group-size", "G", "256", "columns rotated together; falls back to 64, 16, none per layer",
     set_value<&options::convrot_group_size>},
    {main_page, conversion, "--simple", "", "off", "round to nearest on absmax scales: what other tools call RTN",
     set_switch<&options::simple>},
    {main_page, conversion, "--optimizer", "{auto, none, coordinate, original, adamw, radam, prodigy, gptq, quip}", "auto",
     "none rounds to nearest on searched scales; gptq rounds with error feedback where --calibration-data has inputs or "
     "Hessians; "
     "auto is gptq there and none elsewhere; quip is gptq with a choice of storage; the others move codes to keep the weight's "
     "leading directions, which rarely helps the outputs",
     set_optimizer},
    {main_page, conversion, "--rounding", "{nearest, stochastic}", "nearest", "stochastic takes --manual_seed",
     set_word<&options::rounding>},
    {main_page, conversion, "--device", "{auto, cpu}", "auto", "where kernels run", set_device},
    {main_page, conversion | edit, "--threads", "N", "all cores", "threads that read, compute and write",
     set_value<&options::threads>},
    {main_page, every_job, "--force", "", "off", "replace an existing output", set_switch<&options::force>},
    {main_page, every_job, "--dry-run", "[analyze | create-template]", "analyze",
     "say what would be done, from the header alone; create-template prints a file for --layer-config that does the same",
     set_dry_run},
    {main_page, conversion, "--report-quality", "[FILE.{txt,json,html}]", "", "every layer's error, printed or into a file",
     set_report},
    {main_page, every_job, "--verbose", "{DEBUG, VERBOSE, NORMAL, MINIMAL}", "NORMAL",
     "how much to print: VERBOSE shows the plan by patterns of layers, DEBUG every tensor", set_verbose},
    {main_page, every_job, "--quiet", "", "off", "print errors and the output's path only", set_quiet},
    {main_page, every_job, "--progress", "{auto, bar, plain, json, none}", "auto",
     "bar on a terminal, else a line a tensor; json: every message and step as one JSON object a line, for programs",
     set_progress},
    {main_page, conversion, "--requantize", "", "off", "decode layers that are quantized already, and quantize them again",
     set_switch<&options::requantize>},
    {main_page, conversion, "--max-shard-size", "SIZE", "none", "write shards of at most SIZE, such as 4G, and an index",
     set_size<&options::max_shard_size>},
    {main_page, conversion, "--resume", "", "off",
     "go on with an interrupted run to the same output; Ctrl-C then keeps what is done, too", set_switch<&options::resume>},
    {main_page, every_job, "--log", "FILE", "none", "add what is printed, and a line a tensor, to a file too",
     set_value<&options::log_file>},
    {main_page, edit, "--edit-quant", "", "off",
     "edit a quantized file: its markers, tensors beside the weights, and metadata; weights are copied as they are",
     set_switch<&options::edit_quant>},
    {main_page, edit, "--remove-keys", "A,B", "", "with --edit-quant: keys of markers, and tensors by their full names",
     set_value<&options::remove_keys>},
    {main_page, edit, "--add-keys", "TEXT", "",
     "with --edit-quant: pairs for the markers, such as \"'per_row': true, 'group_size': 64\"", set_value<&options::add_keys>},
    {main_page, edit, "--add-tensors", "FILE", "none",
     "with --edit-quant: add the tensors of another safetensors file; those that --remove-keys names are replaced",
     set_value<&options::add_tensors>},
    {main_page, edit, "--quant-filter", "REGEX", "all", "with --edit-quant: whose markers", set_value<&options::quant_filter>},
    {main_page, legacy, "--convert-legacy", "", "off",
     "markers for a file with scale_weight and scaled_fp8 keys; codes are copied", set_switch<&options::convert_legacy>},

    {filters, conversion, "--preset", "NAME", "recognised", "the family whose rules apply; none: every 2-D weight",
     set_value<&options::preset>},
    {filters, conversion, "--exclude-layers", "REGEX", "", "keep what matches", set_value<&options::exclude_layers>},
    {filters, conversion, "--include-layers", "REGEX", "", "quantize what matches", set_value<&options::include_layers>},
    {filters, conversion, "--heur", "", "off", "keep what is smaller than or not divisible by the block",
     set_switch<&options::heur>},
    {filters, conversion, "--t5xxl", "", "", "T5-XXL text encoder", add_family},
    {filters, conversion, "--mistral", "", "", "Mistral text encoder", add_family},
    {filters, conversion, "--visual", "", "", "visual encoder", add_family},
    {filters, conversion, "--flux2", "", "", "Flux.2", add_family},
    {filters, conversion, "--distillation_large", "", "", "Chroma, large", add_family},
    {filters, conversion, "--distillation_small", "", "", "Chroma, small", add_family},
    {filters, conversion, "--nerf_large", "", "", "NeRF, large", add_family},
    {filters, conversion, "--nerf_small", "", "", "NeRF, small", add_family},
    {filters, conversion, "--radiance", "", "", "Radiance", add_family},
    {filters, conversion, "--wan", "", "", "WAN video", add_family},
    {filters, conversion, "--hunyuan", "", "", "Hunyuan video", add_family},
    {filters, conversion, "--qwen", "", "", "Qwen Image", add_family},
    {filters, conversion, "--zimage", "", "", "Z-Image", add_family},
    {filters, conversion, "--zimage_refiner", "", "", "Z-Image refiner", add_family},
    {filters, conversion, "--lora", "", "", "LoRA file: its up and down matrices, for programs other than ComfyUI", add_family},
    {filters, conversion, "--layer-config", "FILE", "", "a recipe for every pattern of layers, in JSON",
     set_value<&options::layer_config>},
    {filters, conversion, "--fullmatch", "", "off", "patterns of --layer-config match the whole name",
     set_switch<&options::fullmatch>},
    {filters, conversion, "--custom-layers", "REGEX", "", "another recipe for the matches, which the flags below spell",
     set_value<&options::custom_layers>},
    {filters, conversion, "--custom-type", "{int8, fp16, fp8}", "the run's", "format of --custom-layers",
     set_word<&options::custom_type>},
    {filters, conversion, "--custom-block-size", "N", "the run's", "block size of --custom-layers; alone it means block scaling",
     set_value<&options::custom_block_size>},
    {filters, conversion, "--custom-scaling-mode", "{block, axis, tensor}", "the run's", "what shares a scale in --custom-layers",
     set_scaling_mode<&options::custom_scaling_mode>},
    {filters, conversion, "--custom-simple", "", "off", "round --custom-layers to nearest on absmax scales",
     set_switch<&options::custom_simple>},
    {filters, conversion, "--custom-heur", "", "off",
     "keep those of --custom-layers smaller than or not divisible by their block", set_switch<&options::custom_heur>},
    {filters, conversion, "--fallback", "{int8, fp16, fp8}", "kept as they are",
     "format of the weights that --exclude-layers or the family's rules keep", set_word<&options::fallback>},
    {filters, conversion, "--fallback-block-size", "N", "the run's", "block size of --fallback; means block scaling",
     set_value<&options::fallback_block_size>},
    {filters, conversion, "--fallback-simple", "", "off", "round --fallback to nearest on absmax scales",
     set_switch<&options::fallback_simple>},

    {advanced, conversion, "--memory-budget", "SIZE", "25 % of RAM", "host bytes in flight", set_size<&options::memory_budget>},
    {advanced, conversion, "--low-memory", "", "off", "one tensor at a time, in small pieces", set_switch<&options::low_memory>},
    {advanced, conversion, "--quality-threshold", "dB", "30", "layers below it are listed",
     set_value<&options::quality_threshold>},
    {advanced, conversion, "--fail-below", "dB", "off", "a layer below it: exit 3, nothing is published",
     set_value<&options::fail_below>},
    {advanced, conversion, "--verify", "{sampled, full, header}", "sampled",
     "rows decoded again from the file; its contract is always checked", set_word<&options::verify>},
    {advanced, conversion | edit, "--strict", "", "off", "warnings become errors", set_switch<&options::strict>},
    {advanced, conversion, "--nan", "{refuse, keep}", "refuse", "keep: leave tensors with NaN or Inf as they are", set_nan},
    {advanced, conversion, "--fp16-overflow", "{refuse, keep, clamp}", "refuse",
     "weights beyond FP16's 65504: keep leaves their tensors in their type, clamp stores 65504", set_fp16_overflow},
    {advanced, conversion, "--full_precision_matrix_mult", "", "off", "ask loaders not to quantize activations",
     set_switch<&options::full_precision_matrix_mult>},
    {advanced, conversion | edit, "--save-quant-metadata", "", "off", "write _quantization_metadata into the header",
     set_switch<&options::save_quant_metadata>},
    {advanced, conversion, "--no-normalize-scales", "", "off", "one-element scales stay [1] instead of []",
     set_switch<&options::no_normalize_scales>},
    {advanced, conversion, "--manual_seed", "N", "0", "seed of stochastic rounding; -1 draws one and prints it",
     set_value<&options::manual_seed>},
    {advanced, conversion, "--no-memory-limits", "", "off", "no checks, no fallback", nullptr},
    {advanced, conversion, "--streaming-mode", "{off, minimal, balanced, aggressive, auto}", "balanced",
     "when CUDA steps move to the host", nullptr},
    {advanced, conversion,
     "--stream-hadamard-threshold,--stream-hessian-threshold,--stream-ldlq-threshold,--stream-ortho-threshold", "N", "",
     "override --streaming-mode", nullptr},
    {advanced, conversion, "--streaming,--streaming-aggressive", "", "", "older names of --streaming-mode", nullptr},
    {advanced, conversion, "--bf16-compute", "{auto, on, off}", "auto", "BF16 inputs for large products", nullptr},
    {advanced, conversion, "--bf16-threshold,--bf16-hadamard-threshold,--bf16-hessian-threshold", "N", "", "with --bf16-compute",
     nullptr},
    {advanced, conversion, "--verbose-pinned", "", "off", "pinned-memory statistics", nullptr},

    {experimental, conversion, "--scale_optimization", "{auto, bounded, mse, absmax}", "auto",
     "how scales are found: bounded leaves no weight more than half a step off, mse minimizes the squared error weighted by the "
     "inputs, absmax is what --simple takes; auto is mse for layers whose inputs are known, else bounded",
     set_word<&options::scale_optimization>},
    {experimental, conversion, "--calibration-data", "FILE..", "none",
     "statistics of the layers' inputs, .safetensors or .json: scales are weighted by them and biases corrected",
     set_calibration_data},
    {experimental, conversion, "--sqnr-budget", "dB", "0.1", "what a solver may take from a layer's SQNR",
     set_number<&halfstep::solve_options::sqnr_budget_db>},
    {experimental, conversion, "--num_iter", "N", "1000", "iterations of the gradient optimizers",
     set_number<&halfstep::solve_options::iterations>},
    {experimental, conversion, "--lr", "RATE", "original 8.077300000003e-3, adamw and radam 3e-4, prodigy 1",
     "learning rate, in steps of the grid", set_number<&halfstep::solve_options::rate>},
    {experimental, conversion, "--lr_schedule", "{adaptive, exponential, plateau}", "adaptive", "how the rate changes",
     set_schedule},
    {experimental, conversion, "--lr_gamma", "X", "0.99", "exponential: factor after every iteration",
     set_number<&halfstep::solve_options::rate_gamma>},
    {experimental, conversion, "--lr_patience", "N", "9", "plateau: iterations without improvement before the rate falls",
     set_number<&halfstep::solve_options::rate_patience>},
    {experimental, conversion, "--lr_factor", "X", "0.92", "plateau: factor by which it falls",
     set_number<&halfstep::solve_options::rate_factor>},
    {experimental, conversion, "--lr_min", "RATE", "1e-10", "plateau: the least rate",
     set_number<&halfstep::solve_options::rate_min>},
    {experimental, conversion, "--lr_cooldown", "N", "6", "plateau: iterations before it may fall again",
     set_number<&halfstep::solve_options::rate_cooldown>},
    {experimental, conversion, "--lr_threshold", "X", "0", "plateau: what counts as an improvement",
     set_number<&halfstep::solve_options::rate_threshold>},
    {experimental, conversion, "--lr-threshold-mode", "{rel, abs}", "rel", "plateau: of the loss or absolute",
     set_threshold_mode},
    {experimental, conversion, "--lr-shape-influence", "X", "1.0", "plateau: how much elongated layers change the factor",
     set_number<&halfstep::solve_options::rate_shape_influence>},
    {experimental, conversion, "--lr_adaptive_mode", "{simple-reset, no-reset}", "simple-reset",
     "adaptive: what an improvement does to the counter", set_adaptive_mode},
    {experimental, conversion, "--top_p", "X", "0.2", "share of the weight's directions that are kept",
     set_number<&halfstep::solve_options::top_p>},
    {experimental, conversion, "--min_k", "N", "64", "at least so many directions", set_number<&halfstep::solve_options::min_k>},
    {experimental, conversion, "--max_k", "N", "1024", "at most so many", set_number<&halfstep::solve_options::max_k>},
    {experimental, conversion, "--full_matrix", "", "off", "find them by an exact SVD: minutes for a large layer",
     set_full_matrix},
    {experimental, conversion, "--early-stop-loss", "X", "1e-8", "stop below this loss",
     set_number<&halfstep::solve_options::stop_loss>},
    {experimental, conversion, "--early-stop-lr", "RATE", "1e-10", "stop below this rate",
     set_number<&halfstep::solve_options::stop_rate>},
    {experimental, conversion, "--early-stop-stall", "N", "1000", "stop after so many iterations without improvement",
     set_number<&halfstep::solve_options::stop_stall>},
    {experimental, conversion, "--input_scale,--static-activations", "", "off",
     "write activation scales; needs --calibration-data", set_switch<&options::input_scale>},
    {experimental, conversion, "--calib_samples", "N", "6144",
     "synthetic samples where a method needs them; none does in this version", set_value<&options::calib_samples>},
    {experimental, conversion, "--calibration-lora", "FILE", "none",
     "gptq, quip and auto round for the directions that a LoRA reads, in layers whose inputs are not known",
     set_value<&options::calibration_lora>},
    {experimental, conversion, "--smoothquant", "", "off",
     "move outliers from activations to weights by stored factors; needs --calibration-data, and --comfy_target fork or no "
     "markers",
     set_switch<&options::smoothquant>},
    {experimental, conversion, "--smoothquant-alpha", "X", "0.5",
     "with --smoothquant: 0 evens out the weight's columns, 1 the inputs'", set_value<&options::smoothquant_alpha>},
    {experimental, conversion, "--gptq-actorder", "", "on", "gptq: columns with the largest inputs first",
     set_order<halfstep::column_order::activations>},
    {experimental, conversion, "--no-gptq-actorder", "", "off", "gptq: columns from the first to the last",
     set_order<halfstep::column_order::stored>},
    {experimental, conversion, "--gptq-fast,--gptq-turbo", "", "", "accepted; every path is exact, and the fast one", note_exact},
    {experimental, conversion, "--quip-actorder", "", "on", "quip: columns with the largest inputs first",
     set_quip_order<halfstep::column_order::activations>},
    {experimental, conversion, "--no-quip-actorder", "", "off", "quip: columns from the first to the last",
     set_quip_order<halfstep::column_order::stored>},
    {experimental, conversion, "--quip-store-transformed", "", "off",
     "quip: store codes of the weight padded, rotated and with random signs, for engines that undo it",
     set_switch<&options::quip_store_transformed>},
    {experimental, conversion, "--quip-no-store-transformed", "", "on", "quip: solve and store in the original basis",
     set_off<&options::quip_store_transformed>},
    {experimental, conversion, "--quip-hadamard", "", "on",
     "quip: rotate by Hadamard matrices where codes are stored transformed", set_switch<&options::quip_hadamard>},
    {experimental, conversion, "--no-quip-hadamard", "", "off", "quip: dense random rotations, which are never stored",
     set_off<&options::quip_hadamard>},
    {experimental, conversion, "--quip-seed", "N", "--manual_seed", "quip: seed of the signs", set_value<&options::quip_seed>},
    {experimental, conversion, "--quip-requant-scheme", "{tensor, block}", "tensor",
     "quip: scales where no --scaling_mode is given", set_word<&options::quip_requant_scheme>},
    {experimental, conversion, "--quip-requant-tensor-per-row", "", "on", "quip: with tensor, a scale a row",
     set_switch<&options::quip_requant_per_row>},
    {experimental, conversion, "--no-quip-requant-tensor-per-row", "", "off", "quip: with tensor, one scale",
     set_off<&options::quip_requant_per_row>},
    {experimental, conversion, "--quip-checkpointed", "", "off", "accepted: rows are always worked on in chunks, which is exact",
     set_switch<&options::quip_checkpointed>},
    {experimental, conversion, "--quip-checkpoint-threshold", "N", "8192", "accepted with --quip-checkpointed",
     set_value<&options::quip_checkpoint_threshold>},
    {experimental, conversion, "--quip-checkpoint-segments", "N", "4", "accepted with --quip-checkpointed",
     set_value<&options::quip_checkpoint_segments>},
    {experimental, conversion, "--merge-lora", "FILE[:strength]", "none",
     "merge a LoRA into the weights before they are quantized", set_value<&options::merge_lora>},
    {experimental, conversion, "--merge-loras", "FILES..", "none", "merge several, each with its own strength behind a colon",
     set_merge_loras},
    {experimental, conversion, "--merge-lora-scale", "X", "1.0", "times the strength of every LoRA",
     set_value<&options::merge_lora_scale>},
    {experimental, conversion, "--merge-lora-alpha", "{agreed, tensors, header, config, rank}", "agreed",
     "where alpha and rank of a LoRA are told: all places, which must agree; its .alpha tensors; its header; the "
     "adapter_config.json beside it; or nowhere, alpha being the rank",
     set_word<&options::merge_lora_alpha>},
    {experimental, conversion, "--merge-lora-lenient", "", "off", "LoRA keys that match nothing are left out with a warning",
     set_switch<&options::merge_lora_lenient>},
    {experimental, conversion, "--merge-lora-dampen", "[{True, False}]", "True",
     "the second of several by 0.9, the third by 0.81, and so on", set_merge_dampen},
    {experimental, conversion, "--no-merge-lora-dampen", "", "off", "all of several as they are", set_no_merge_dampen},
};

}  // namespace

std::span<option_row const> option_table() { return table; }

std::string canonical(std::string_view flag) {
  std::string text(flag);
  std::replace(text.begin(), text.end(), '_', '-');
  return text;
}

option_row const* row_of(std::string const& flag) {
  for (auto const& row : table)
    for (auto const& name : split(row.names))
      if (canonical(name) == flag) return &row;
  return nullptr;
}

std::vector<std::string> split(std::string_view text, char between) {
  std::vector<std::string> all;
  if (text.empty()) return all;
  for (std::size_t from = 0; from <= text.size(); from += all.back().size() + 1)
    all.emplace_back(text.substr(from, text.find(between, from) - from));
  return all;
}

}  // namespace convert_to_quant
