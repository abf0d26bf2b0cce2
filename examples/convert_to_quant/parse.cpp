// Parsing: CLI11 does the work; dash and underscore spellings become one, and refusals name what they refuse.
#include "parse.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <ranges>
#include <sstream>

#include <CLI/CLI.hpp>

#include <halfstep/core/edit_distance.hpp>
#include <halfstep/core/error.hpp>
#include <halfstep/core/version.hpp>

#include "option_table.hpp"

namespace convert_to_quant {

namespace {

struct page_entry {
  std::string_view flags;
  std::string_view name;
  help_page page;
};

constexpr std::array<page_entry, 4> pages{{{"-h,--help", "main", help_page::main},
                                           {"-he,--help-experimental", "experimental", help_page::experimental},
                                           {"-hf,--help-filters", "filters", help_page::filters},
                                           {"-ha,--help-advanced", "advanced", help_page::advanced}}};

std::vector<std::string> split(std::string_view names) {
  std::vector<std::string> all;
  for (auto const part : std::views::split(names, ',')) all.emplace_back(part.begin(), part.end());
  return all;
}

/// Returns the documented spelling of the flag nearest to `flag`.
std::string nearest_flag(std::string const& flag) {
  std::string best;
  std::size_t least = std::string::npos;
  auto const consider = [&](std::string const& name) {
    std::size_t const d = halfstep::edit_distance(flag, canonical(name));
    if (d < least) {
      least = d;
      best = name;
    }
  };
  for (auto const& row : option_table())
    for (auto const& name : split(row.names)) consider(name);
  for (auto const& entry : pages)
    for (auto const& name : split(entry.flags)) consider(name);
  return best;
}

option_row const* row_of(std::string const& flag) {
  for (auto const& row : option_table())
    for (auto const& name : split(row.names))
      if (canonical(name) == flag) return &row;
  return nullptr;
}

bool is_number(std::string const& text) {
  return text.size() > 1 && text[0] == '-' && (std::isdigit(static_cast<unsigned char>(text[1])) != 0 || text[1] == '.');
}

/// Rewrites flags to their canonical spelling; refuses those that no row knows or that are not built.
void normalise(std::vector<std::string>& arguments) {
  for (auto& argument : arguments) {
    if (argument.size() < 2 || argument[0] != '-' || is_number(argument)) continue;
    auto const equals = argument.find('=');
    std::string const flag = canonical(argument.substr(0, equals));
    option_row const* const row = row_of(flag);
    if (row == nullptr)
      throw halfstep::usage_error("unknown flag '" + argument.substr(0, equals) + "': the nearest known one is '" +
                                  nearest_flag(flag) + "'; see --help");
    if (row->bind == nullptr)
      throw halfstep::usage_error("flag '" + argument.substr(0, equals) +
                                  "' is not built in this version: nothing was done; see --help");
    argument = equals == std::string::npos ? flag : flag + argument.substr(equals);
  }
}

[[noreturn]] void contradict(std::string const& what, std::string const& why) {
  throw halfstep::usage_error("'" + what + "' contradicts " + why);
}

bool any_format_flag(options const& o) {
  return o.comfy_quant || o.comfy_target || o.int8 || o.fp16 || o.scaling_mode || o.block_size || o.convrot;
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
  if (o.optimizer == "gptq" && o.calibration_data.empty())
    o.notes.push_back("--optimizer gptq rounds to nearest here, on searched scales: it needs --calibration-data");
  double const alpha = o.smoothquant_alpha.value_or(0.5);
  require(alpha >= 0.0 && alpha <= 1.0, "--smoothquant-alpha", alpha, "0 to 1");
  if (o.fp16 && o.smoothquant) contradict("--smoothquant", "'--fp16': FP16 is not smoothed");
  if (o.smoothquant && o.comfy_quant && o.comfy_target != "fork")
    throw halfstep::usage_error(
        "--smoothquant: stock ComfyUI drops the smoothing factors of INT8 layers and computes garbage; choose --comfy_target "
        "fork, or write no markers with --recipe engine");
  if (o.smoothquant_alpha && !o.smoothquant) o.notes.push_back("--smoothquant-alpha changes nothing without --smoothquant");
  if (o.calib_samples) o.notes.push_back("--calib_samples changes nothing: no method of this version uses synthetic inputs");
  if (o.fp16 && !o.calibration_data.empty())
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
  if (o.quip_store_transformed && o.convrot) contradict("--convrot", "'--quip-store-transformed': that rotates all columns");
  if (o.calibration_data.empty())
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
  note("--gptq-actorder,--no-gptq-actorder", o.optimizer == "gptq" || (o.optimizer == "auto" && !o.calibration_data.empty()),
       by + " has no order of columns");
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
  if (is_given(arguments, "--merge-lora-dampen") && is_given(arguments, "--no-merge-lora-dampen"))
    contradict("--merge-lora-dampen", "'--no-merge-lora-dampen'");
  if (!o.loras.empty()) return;
  for (std::string const flag : {"--merge-lora-scale", "--merge-lora-lenient", "--merge-lora-dampen", "--no-merge-lora-dampen"})
    if (is_given(arguments, flag)) o.notes.push_back(flag + " changes nothing here: no LoRA is merged");
}

/// Fills in what a recipe stands for, and refuses contradictions.
void settle(options& o) {
  if (!o.recipe && !any_format_flag(o)) o.recipe = "comfyui";
  if (o.optimizer == "quip" && !o.scaling_mode && !o.fp16)
    o.scaling_mode = o.quip_requant_scheme == "block" ? "block" : o.quip_requant_per_row ? "axis" : "tensor";
  if (o.recipe == "comfyui" || o.recipe == "fork") {
    o.comfy_quant = true;
    if (o.recipe == "fork" && !o.comfy_target) o.comfy_target = "fork";
    if (o.recipe == "comfyui" && !o.fp16) {
      if (!o.scaling_mode && !o.block_size) o.scaling_mode = "axis";
      bool const rotates = o.optimizer == "quip" && o.quip_store_transformed;
      if (o.scaling_mode == "axis" && !rotates) o.convrot = true;
    }
  }
  std::string const mode = o.scaling_mode.value_or("block");
  if (o.int8 && o.fp16) contradict("--int8", "'--fp16': choose one format");
  if (o.fp16 && o.convrot) contradict("--convrot", "'--fp16': only INT8 codes are rotated");
  if (o.fp16 && o.scaling_mode) contradict("--scaling_mode", "'--fp16': FP16 has no scales");
  if (o.convrot && mode != "axis") contradict("--convrot", mode + " scaling: it needs --scaling_mode axis");
  if (o.convrot_group_size && !o.convrot) contradict("--convrot-group-size", "a run without '--convrot'");
  if (o.block_size && (*o.block_size < 16 || *o.block_size > 256 || (*o.block_size & (*o.block_size - 1)) != 0))
    throw halfstep::usage_error("'--block_size' got " + std::to_string(*o.block_size) + ", takes a power of two from 16 to 256");
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
  if (o.block_size && !o.heur && (o.fp16 || mode != "block"))
    o.notes.push_back("--block_size changes nothing here: " + std::string(o.fp16 ? "FP16" : mode + " scaling") +
                      " has no blocks");
}

void wrap(std::string& text, std::string_view words, std::size_t indent, std::size_t width) {
  std::size_t column = indent;
  for (auto const part : std::views::split(words, ' ')) {
    std::string_view const word(part.begin(), part.end());
    if (column + word.size() + 1 > width) {
      text += "\n" + std::string(indent, ' ');
      column = indent;
    } else if (column > indent) {
      text += ' ';
      ++column;
    }
    text += word;
    column += word.size();
  }
  text += '\n';
}

}  // namespace

std::variant<options, information> parse(std::vector<std::string> arguments) {
  for (auto const& argument : arguments) {
    if (argument == "--version") return information{version_text()};
    for (auto const& entry : pages)
      for (auto const& name : split(entry.flags))
        if (canonical(argument) == name) return information{help_text(entry.name)};
  }
  if (arguments.empty()) throw halfstep::usage_error("'-i' is missing: name the .safetensors file to convert; see --help");
  options o;
  o.arguments = arguments;
  normalise(arguments);

  CLI::App app;
  app.set_help_flag();
  for (auto const& row : option_table())
    if (row.bind != nullptr) row.bind(app, row, o);
  for (auto* const option : app.get_options()) option->multi_option_policy(CLI::MultiOptionPolicy::Throw);
  std::vector<std::string> const given = arguments;
  std::reverse(arguments.begin(), arguments.end());
  try {
    app.parse(std::move(arguments));
  } catch (CLI::ArgumentMismatch const& e) {
    std::string const said = e.what();
    std::string const flag = said.substr(0, said.find(':'));
    auto const begins = [&](std::string const& argument) { return argument == flag || argument.starts_with(flag + "="); };
    bool const twice = std::ranges::count_if(given, begins) > 1;
    throw halfstep::usage_error("'" + flag + "' " + (twice ? "is given twice" : "takes a value and got none") + "; see --help");
  } catch (CLI::ExtrasError const& e) {
    throw halfstep::usage_error(std::string("unexpected argument: ") + e.what() + "; the input goes behind -i");
  } catch (CLI::ParseError const& e) {
    throw halfstep::usage_error(std::string(e.what()) + "; see --help");
  }
  if (o.input.empty()) throw halfstep::usage_error("'-i' is missing: name the .safetensors file to convert; see --help");
  settle(o);
  settle_loras(o, given);
  note_unread(o, given);
  return o;
}

std::string help_text(std::string_view name) {
  constexpr std::size_t width = 110;
  auto const* const entry = std::ranges::find(pages, name, &page_entry::name);
  std::string text =
      "Usage: convert_to_quant -i MODEL.safetensors [-o OUTPUT.safetensors] [flags]\n"
      "Quantizes the weights of a safetensors file for ComfyUI and other engines.\n\n";
  std::string missing;
  for (auto const& row : option_table()) {
    if (row.page != entry->page) continue;
    if (row.bind == nullptr) {
      for (auto const& flag : split(row.names)) missing += (missing.empty() ? "" : " ") + flag;
      continue;
    }
    std::string head = "  ";
    for (auto const& flag : split(row.names)) head += (head.size() > 2 ? ", " : "") + flag;
    if (!row.value.empty()) head += " " + std::string(row.value);
    text += head;
    constexpr std::size_t indent = 34;
    if (head.size() + 2 > indent)
      text += "\n" + std::string(indent, ' ');
    else
      text += std::string(indent - head.size(), ' ');
    std::string words(row.meaning);
    if (!row.fallback.empty() && row.fallback != "off") words += " (" + std::string(row.fallback) + ")";
    wrap(text, words, indent, width);
  }
  if (!missing.empty()) {
    text += "\nKnown, refused by name until they are built:\n  ";
    wrap(text, missing, 2, width);
  }
  text +=
      "\nMore: --help-experimental (-he), --help-filters (-hf), --help-advanced (-ha), --version. Dashes and underscores are "
      "the same.\n";
  return text;
}

std::string version_text() {
  std::string text = "convert_to_quant " + std::string(halfstep::version) + "\nbuilt with ";
#if defined(__clang__)
  text += "clang " __clang_version__;
#elif defined(__GNUC__)
  text += "g++ " __VERSION__;
#else
  text += "an unknown compiler";
#endif
#if defined(_OPENMP)
  text += ", OpenMP";
#else
  text += ", without OpenMP (one thread)";
#endif
  text += ", instruction set: ";
#if defined(__AVX512F__)
  text += "AVX-512";
#elif defined(__AVX2__)
  text += "AVX2";
#elif defined(__aarch64__)
  text += "AArch64";
#else
  text += "baseline of this target";
#endif
  return text + "\nCUDA devices: none are used by this version\n";
}

}  // namespace convert_to_quant
