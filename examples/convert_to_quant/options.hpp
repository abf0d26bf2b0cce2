// What the command line asked for, checked and complete.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include <halfstep/convert/options.hpp>
#include <halfstep/lora/options.hpp>
#include <halfstep/recipe/recipe.hpp>
#include <halfstep/recipe/solve_options.hpp>

namespace convert_to_quant {

enum class verbosity { minimal, normal, verbose, debug };
enum class progress_style { automatic, bar, plain, json, none };

/// Every option of the converter, as given; `settle` fills what depends on others.
struct options {
  std::string input;
  std::string output;

  std::optional<std::string> recipe;  ///< comfyui, fork or engine
  bool comfy_quant = false;
  std::optional<std::string> comfy_target;  ///< comfyui or fork
  bool int8 = false;
  bool fp16 = false;
  bool fp8 = false;
  bool requantize = false;
  bool convert_legacy = false;
  std::optional<std::string> scaling_mode;  ///< block, axis or tensor
  std::optional<int> block_size;
  bool convrot = false;
  std::optional<int> convrot_group_size;
  bool simple = false;
  std::string rounding = "nearest";
  std::string optimizer = "auto";
  std::string scale_optimization = "auto";
  halfstep::solve_options solve;
  std::vector<std::string> calibration_data;
  std::string calibration_lora;
  std::optional<std::int64_t> calib_samples;
  std::string merge_lora;  ///< FILE or FILE:strength
  std::vector<std::string> merge_loras;
  double merge_lora_scale = 1.0;
  std::string merge_lora_alpha = "agreed";
  bool merge_lora_lenient = false;
  bool merge_lora_dampen = true;
  std::vector<halfstep::lora_request> loras;  ///< both, in the order in which they are merged
  halfstep::column_order quip_order = halfstep::column_order::activations;
  bool quip_hadamard = true;
  bool quip_store_transformed = false;
  std::optional<std::string> quip_requant_scheme;  ///< tensor or block
  bool quip_requant_per_row = true;
  std::optional<std::int64_t> quip_seed;
  bool quip_checkpointed = false;
  std::int64_t quip_checkpoint_threshold = 8192;
  std::int64_t quip_checkpoint_segments = 4;
  bool smoothquant = false;
  std::optional<double> smoothquant_alpha;
  bool input_scale = false;  ///< --input_scale or --static-activations
  std::string device = "auto";
  std::optional<int> threads;  ///< all cores where nothing is said
  bool force = false;
  bool resume = false;
  std::optional<std::uint64_t> max_shard_size;  ///< bytes; one file where nothing is said

  verbosity level = verbosity::normal;
  bool quiet = false;
  progress_style progress = progress_style::automatic;
  std::string log_file;

  std::optional<std::string> preset;
  std::vector<std::string> families;
  std::string exclude_layers;
  std::string include_layers;
  bool heur = false;
  std::string layer_config;
  bool fullmatch = false;
  std::string custom_layers;
  std::optional<std::string> custom_type;  ///< int8, fp16 or fp8
  std::optional<int> custom_block_size;
  std::optional<std::string> custom_scaling_mode;  ///< block, axis or tensor
  bool custom_simple = false;
  bool custom_heur = false;
  std::optional<std::string> fallback;  ///< int8, fp16 or fp8
  std::optional<int> fallback_block_size;
  bool fallback_simple = false;
  std::optional<std::string> dry_run;

  std::uint64_t memory_budget = 0;  ///< bytes; 0: a quarter of the memory
  bool low_memory = false;

  bool report_quality = false;
  std::string report_file;
  double quality_threshold = 30.0;
  std::optional<double> fail_below;
  std::string verify = "sampled";
  bool strict = false;
  halfstep::nonfinite_policy nan = halfstep::nonfinite_policy::refuse;
  halfstep::overflow_policy fp16_overflow = halfstep::overflow_policy::refuse;
  bool full_precision_matrix_mult = false;
  bool save_quant_metadata = false;
  bool edit_quant = false;
  std::string remove_keys;
  std::string add_keys;
  std::string add_tensors;
  std::string quant_filter;
  bool no_normalize_scales = false;
  std::int64_t manual_seed = 0;

  std::vector<std::string> arguments;  ///< the command line as it was given, without the program's name
  std::vector<std::string> given;      ///< the same with flags in their canonical spelling
  std::vector<std::string> notes;      ///< what was accepted and changes nothing
};

}  // namespace convert_to_quant
