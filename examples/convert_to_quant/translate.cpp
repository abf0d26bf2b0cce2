// What the options mean in the library's terms.
#include "translate.hpp"

#include <unistd.h>

#include <halfstep/converter.hpp>
#include <halfstep/file/process.hpp>
#include <halfstep/recipe/basis_row.hpp>
#include <halfstep/recipe/rotation_group.hpp>
#include <halfstep/transform/two_sided_hadamard.hpp>

#include "bases/bases.hpp"
#include "formats/formats.hpp"
#include "settings_list.hpp"
#include "solvers/solvers.hpp"

namespace convert_to_quant {

using namespace halfstep;

namespace {

/// The key of the output's metadata that tells a seed that was drawn.
constexpr std::string_view seed_key = "halfstep_seed";

std::string scales_in_words(options const& o, recipe const& r) {
  if (r.scales == absmax_scales) return "absmax scales";
  if (r.scales == "bounded") return "scales searched within half a step";
  if (r.scales == "mse") return "scales of least squared error";
  if (r.scales != suitable) return "scales by " + r.scales;
  return o.calibration_data.empty() ? "scales searched within half a step"
                                    : "scales weighted by the inputs where they are known, else searched within half a step";
}

std::uint64_t memory_budget(options const& o) {
  if (o.memory_budget != 0) return o.memory_budget;
  return static_cast<std::uint64_t>(sysconf(_SC_PHYS_PAGES)) * static_cast<std::uint64_t>(sysconf(_SC_PAGESIZE)) / 4;
}

/// What flags say of a format in words of their own, once for the run, once for some of its layers.
struct format_words {
  std::string type;  ///< int8, fp16 or fp8
  std::string mode;  ///< block, axis or tensor; FP8 takes tensor for axis
  int block_size = 128;
  bool simple = false;
};

/// Whether a run of FP16 numbers would store ComfyUI's INT8 where some layers are to be INT8.
bool is_comfyui_fp16(options const& o) { return o.fp16 && o.recipe == "comfyui"; }

/// The word for the format of the run.
std::string type_of(options const& o) { return o.fp16 ? "fp16" : o.fp8 ? "fp8" : "int8"; }

/// How INT8 layers are scaled where no flag of theirs says it.
std::string int8_mode(options const& o) { return o.scaling_mode.value_or(is_comfyui_fp16(o) ? "axis" : "block"); }

/// Returns the format of this build that `words` mean.
format const& format_of_words(format_words const& words) {
  std::string_view const geometry = words.type == "fp16"                           ? ""
                                    : words.mode == "axis" && words.type == "int8" ? "row"
                                    : words.mode == "block"                        ? "block"
                                                                                   : "tensor";
  for (format const& f : known_formats())
    if (f.files.words == words.type && f.geometry == geometry && (f.side == 0 || f.side == words.block_size)) return f;
  throw unknown_option("this build has no " + words.type + " with " + words.mode + " scales");
}

recipe recipe_of(options const& o, format_words const& words) {
  recipe r;
  bool const fp16 = words.type == "fp16", fp8 = words.type == "fp8";
  r.format = format_of_words(words);
  bool const rotates = can_rotate(r.format) && (o.convrot || is_comfyui_fp16(o));
  r.rounding = o.rounding;
  r.matmul = o.full_precision_matrix_mult ? matmul_precision::full : matmul_precision::native;
  if (o.smoothquant && words.type == "int8") r.bases.push_back(smoothquant(o.smoothquant_alpha.value_or(0.5)));
  if (o.optimizer == "quip" && o.quip_store_transformed && words.type == "int8") r.bases.push_back(incoherent());
  if (rotates) r.bases.push_back(convrot(o.convrot_group_size.value_or(256)));
  if (words.simple || fp16) return r;
  // FP8's steps grow with the weights: a search wins hundredths of a dB.
  bool const by_default = fp8 && o.scale_optimization == "auto";
  if (!by_default) r.scales = o.scale_optimization;
  bool const knows_inputs = !(o.calibration_data.empty() && o.calibration_lora.empty());
  if (o.optimizer != suitable || (r.rounding == nearest::name && knows_inputs)) r.solver = o.optimizer;
  return r;
}

/// A thread holds its piece, the codes, and for a rotation some rows in FP32: four times the piece is ample.
convert_settings settings_of(options const& o, std::uint64_t seed, int threads) {
  convert_settings s;
  s.seed = seed;
  std::uint64_t const largest = o.low_memory ? std::uint64_t{1} << 20 : std::uint64_t{2} << 20;
  s.piece_bytes = std::clamp(memory_budget(o) / 4 / static_cast<std::uint64_t>(threads), std::uint64_t{1} << 18, largest);
  s.order = o.low_memory ? piece_order::one_tensor : piece_order::overlapped;
  s.verify = o.verify == "full" ? verification::full : o.verify == "header" ? verification::header : verification::sampled;
  return s;
}

marker_style markers_of(options const& o) {
  return !o.comfy_quant ? marker_style::none : o.comfy_target == "fork" ? marker_style::fork : marker_style::comfyui;
}

lora_options lora_options_of(options const& o) {
  return {.scale = o.merge_lora_scale,
          .dampening = o.merge_lora_dampen ? lora_dampening::by_order : lora_dampening::none,
          .unmatched = o.merge_lora_lenient ? unmatched_keys::warn : unmatched_keys::refuse,
          .alpha = o.merge_lora_alpha == "tensors"  ? alpha_source::tensors
                   : o.merge_lora_alpha == "header" ? alpha_source::header
                   : o.merge_lora_alpha == "config" ? alpha_source::config
                   : o.merge_lora_alpha == "rank"   ? alpha_source::rank
                                                    : alpha_source::agreed};
}

}  // namespace

std::vector<format> const& known_formats() {
  static std::vector<format> const all = all_formats().formats();
  return all;
}

recipe target_of(options const& o) {
  return recipe_of(o, {.type = type_of(o),
                       .mode = o.scaling_mode.value_or("block"),
                       .block_size = o.block_size.value_or(128),
                       .simple = o.simple});
}

recipe custom_of(options const& o) {
  return recipe_of(o, {.type = o.custom_type.value_or(type_of(o)),
                       .mode = o.custom_scaling_mode.value_or(o.custom_block_size ? "block" : int8_mode(o)),
                       .block_size = o.custom_block_size.value_or(o.block_size.value_or(128)),
                       .simple = o.simple || o.custom_simple});
}

recipe fallback_of(options const& o) {
  return recipe_of(o, {.type = *o.fallback,
                       .mode = o.fallback_block_size ? "block" : int8_mode(o),
                       .block_size = o.fallback_block_size.value_or(o.block_size.value_or(128)),
                       .simple = o.simple || o.fallback_simple});
}

layer_config layer_config_of(options const& o, std::string_view text) {
  auto const base = [&](std::string const& type, bool const simple) {
    return recipe_of(o, {.type = type, .mode = int8_mode(o), .block_size = o.block_size.value_or(128), .simple = simple});
  };
  return parse_layer_config(text, o.layer_config,
                            {.formats = known_formats(),
                             .run = target_of(o),
                             .codes = base("int8", o.simple),
                             .searched = base("int8", false),
                             .fp8 = base("fp8", o.simple),
                             .fp8_searched = base("fp8", false),
                             .block_size = o.block_size.value_or(128)},
                            o.fullmatch ? pattern_scope::whole_layer : pattern_scope::part_of_layer);
}

plan_options plan_options_of(options const& o) {
  plan_options p;
  p.target = target_of(o);
  p.formats = known_formats();
  p.moment_solvers = all_stages().moment_solvers();
  p.block_size = o.block_size.value_or(128);
  p.markers = markers_of(o);
  p.scalars = o.no_normalize_scales ? lone_scale::vector : lone_scale::scalar;
  if (o.preset == "none") {
    p.rules = rule_source::none;
  } else if (o.preset || !o.families.empty()) {
    p.rules = rule_source::named;
    p.families = o.preset ? std::vector<std::string>{*o.preset} : o.families;
    if (o.preset && family_named(*o.preset) == nullptr)
      throw usage_error("'--preset' got '" + *o.preset + "', takes none or one of " + known_families());
  }
  if (!o.exclude_layers.empty()) p.exclude = {o.exclude_layers};
  if (!o.include_layers.empty()) p.include = {o.include_layers};
  if (!o.custom_layers.empty())
    p.custom = {{o.custom_layers, custom_of(o), o.custom_heur ? size_rule::heuristic : size_rule::storable,
                 o.custom_block_size.value_or(p.block_size)}};
  if (o.fallback) p.fallback = fallback_of(o);
  p.sizes = o.heur ? size_rule::heuristic : size_rule::storable;
  p.strict = o.strict ? strictness::refuse : strictness::warn;
  p.requantize = o.requantize ? requantization::allow : requantization::refuse;
  p.max_shard_bytes = o.max_shard_size.value_or(0);
  p.metadata = o.save_quant_metadata ? quant_metadata::save : quant_metadata::omit;
  return p;
}

std::string described(options const& o, std::uint64_t seed) {
  recipe const r = target_of(o);
  auto const style = markers_of(o);
  auto const named = [style](recipe const& how) { return loader_words(how, style); };
  std::string text = (o.recipe ? "recipe " + *o.recipe + ": " : std::string("from flags: ")) + named(r);
  text += !o.comfy_quant ? ", no markers" : o.comfy_target == "fork" ? ", the fork's markers" : ", ComfyUI markers";
  if (r.rounding == stochastic::name) text += ", rounded stochastically with seed " + std::to_string(seed);
  if (!o.custom_layers.empty()) text += ", " + quoted(o.custom_layers) + " as " + named(custom_of(o));
  if (!o.layer_config.empty()) text += ", layers as " + quoted(o.layer_config) + " says";
  if (o.fallback) text += ", what is kept as " + named(fallback_of(o));
  if (!r.format.has_scales()) return text;
  text += r.rounding == nearest::name ? ", rounded to nearest on " : " on ";
  text += scales_in_words(o, r);
  auto const stages = all_stages();
  auto const* const solver = stages.solver(r.solver, r.format.grid);
  if (solver != nullptr && solver->takes_moments())
    text += ", then " + std::string(solver->name) + " where the second moments of the inputs are known" +
            (o.calibration_lora.empty() ? "" : ", or a LoRA tells of them");
  else if (solver != nullptr)
    text += ", then " + o.optimizer + " within " + detail::fixed(o.solve.sqnr_budget_db, 2) + " dB of SQNR";
  return text;
}

int thread_count(options const& o) { return o.threads.value_or(file::usable_cores()); }

conversion_options conversion_options_of(options const& o, std::uint64_t seed, int threads) {
  conversion_options c;
  c.input = o.input;
  c.output = o.output;
  c.layers = plan_options_of(o);
  c.layers.static_activations = o.input_scale ? activation_scales::store : activation_scales::omit;
  bool const is_random = c.layers.target.rounding == stochastic::name ||
                         (find_basis(c.layers.target.bases, two_sided_hadamard::name) != nullptr && !o.quip_seed);
  if (o.manual_seed < 0 && is_random) c.layers.added_metadata = {{std::string(seed_key), std::to_string(seed)}};
  c.chosen = o.recipe == "comfyui" ? recipe_choice::standard : recipe_choice::flags;
  c.settings = settings_of(o, seed, threads);
  c.solving = o.solve;
  if (o.manual_seed < 0)
    c.drawn = drawn_seed{.metadata_key = is_random ? std::string(seed_key) : "",
                         .used_for = o.quip_seed ? drawn_seed::reach::rounding : drawn_seed::reach::rounding_and_signs};
  c.solving.quip_seed = o.quip_seed ? static_cast<std::uint64_t>(*o.quip_seed) : seed;
  c.calibration_data = o.calibration_data;
  c.calibration_lora = o.calibration_lora;
  c.biases = o.simple ? bias_policy::keep : bias_policy::correct;
  c.loras = o.loras;
  c.merging = lora_options_of(o);
  c.nonfinite = o.nan;
  c.overflow = o.fp16_overflow;
  c.existing = o.force ? file::overwrite::replace : file::overwrite::refuse;
  c.part = o.resume ? file::unfinished::keep : file::unfinished::discard;
  c.asked = asked_list(o);
  c.fail_below_db = o.fail_below;
  return c;
}

}  // namespace convert_to_quant
