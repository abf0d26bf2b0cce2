// Reader, plan, writer, conversion, checks, commit: in that order, and nothing is published before the last.
#include "run.hpp"

#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <fstream>
#include <optional>
#include <random>
#include <span>
#include <vector>

#include <halfstep/converter.hpp>
#include <halfstep/exec/serial.hpp>
#include <halfstep/exec/threads.hpp>

#include "codecs/codecs.hpp"
#include "console.hpp"
#include "program/exit_code.hpp"
#include "program/start_threads.hpp"
#include "settings_list.hpp"
#include "solvers/solvers.hpp"
#include "translate.hpp"

namespace convert_to_quant {

namespace {

using namespace halfstep;

void say(options const& o, std::string const& text, verbosity least = verbosity::normal) {
  if (o.level >= least) std::fputs((text + "\n").c_str(), stderr);
}

/// What the pieces in flight can take: every thread holds one, its codes, and some of its rows in FP32.
std::uint64_t bytes_in_flight(plan const& p, convert_settings const& settings, int threads) {
  std::uint64_t largest = settings.piece_bytes;
  for (auto const& t : p.tensors) {
    if (t.what != action::quantize) continue;
    auto const rows = static_cast<std::uint64_t>(t.how.format == scheme::int8_block ? t.how.block_size : residual_tile_rows);
    largest = std::max(
        largest, std::min(rows, t.input.shape[0]) * t.input.shape[1] * static_cast<std::uint64_t>(bits_of(t.input.type) / 8));
  }
  return 4 * largest * static_cast<std::uint64_t>(threads);
}

void write_report(options const& o, run_report const& report) {
  bool const page = o.report_file.ends_with(".html") || o.report_file.ends_with(".htm");
  auto* const write = page ? quality_html : o.report_file.ends_with(".json") ? quality_json : quality_text;
  std::string const text = write(report, o.quality_threshold);
  if (o.report_file.empty()) {
    std::fputs(text.c_str(), stdout);
    return;
  }
  std::ofstream file(o.report_file, std::ios::binary | std::ios::trunc);
  file << text;
  file.close();
  if (!file)
    throw io_error(io_stage::transfer, "cannot write the report '" + o.report_file +
                                           "': its directory is missing, read-only or full; the "
                                           "model was not published");
}

void require_quality(options const& o, run_report const& report) {
  if (!o.fail_below) return;
  auto const s = summarize(report.layers, *o.fail_below);
  if (s.below.empty()) return;
  throw program::quality_error(std::to_string(s.below.size()) + " layers are below --fail-below " +
                               detail::fixed(*o.fail_below, 2) + " dB, the worst '" + s.below.front()->layer + "' with " +
                               detail::fixed(s.below.front()->sqnr(), 2) +
                               " dB: nothing was published; keep them with --exclude-layers, or use another recipe");
}

void warn_of_overflow(options const& o, run_report& report) {
  for (auto const& layer : report.layers) {
    if (layer.how.format != scheme::fp16 || layer.error.clipped == 0) continue;
    std::string const text = std::to_string(layer.error.clipped) + " weights of '" + layer.layer +
                             "' exceed FP16 and became infinite: keep it with --exclude-layers";
    if (o.strict) throw value_error("--strict: " + text);
    report.warnings.push_back(text);
    say(o, "warning: " + text);
  }
}

void count_formats(plan const& p, run_report& report) {
  for (auto const& t : p.tensors) {
    if (t.what == action::quantize)
      ++report.formats["layers as " + to_string(t.how)];
    else
      ++report.formats[t.what == action::keep      ? "tensors kept as they are"
                       : t.what == action::correct ? "biases corrected"
                                                   : "tensors left out"];
  }
}

void print_plan(options const& o, plan const& p) {
  say(o, p.rules);
  for (auto const& text : p.warnings) say(o, "warning: " + text);
  for (auto const& text : p.notes) say(o, "note: " + text);
  say(o, "the output " + std::string(load_sentence(p.needs)));
  if (o.level == verbosity::verbose) std::fputs(analyze(p).c_str(), stderr);
  if (o.level < verbosity::debug) return;
  for (auto const& t : p.tensors)
    say(o, "  " + t.input.name + ": " +
               (t.what == action::quantize  ? to_string(t.how)
                : t.what == action::keep    ? "kept"
                : t.what == action::correct ? "corrected"
                                            : "left out") +
               ", " + t.reason);
}

/// Returns the text of a layer configuration. Throws usage_error where it is too long.
std::string text_of(safetensors::input_file const& file) {
  if (file.size() > max_layer_config_bytes)
    throw usage_error("--layer-config " + safetensors::quoted(file.path()) + ": its " + std::to_string(file.size()) +
                      " bytes are more than " + std::to_string(max_layer_config_bytes));
  std::string text(static_cast<std::size_t>(file.size()), '\0');
  file.read(0, std::as_writable_bytes(std::span(text)));
  return text;
}

/// Returns `wanted` without smoothing, which is decided when it is known which layers' inputs are.
plan_options unsmoothed(plan_options wanted) {
  wanted.target.smoothing.reset();
  for (auto& custom : wanted.custom) custom.how.smoothing.reset();
  if (wanted.fallback) wanted.fallback->smoothing.reset();
  if (!wanted.layers) return wanted;
  for (auto& entry : wanted.layers->entries) entry.fate.how.smoothing.reset();
  if (wanted.layers->otherwise) wanted.layers->otherwise->how.smoothing.reset();
  return wanted;
}

/// Adds to `wanted` what the calibration data knows of the layers that are quantized, and returns the plan.
plan plan_with_inputs(options const& o, safetensors::reader const& input, calibration_files const& known, plan_options& wanted) {
  plan p = make_plan(input.head(), known.any() ? unsmoothed(wanted) : wanted);
  if (o.scale_optimization == "mse" && !known.any())
    p.warnings.push_back("--scale_optimization mse without --calibration-data clips weights that may meet large inputs");
  bool const has_codes =
      std::ranges::any_of(p.tensors, [](auto const& t) { return t.what == action::quantize && t.how.format != scheme::fp16; });
  if (!known.any() || !has_codes) return p;
  std::vector<std::string> layers;
  for (auto const& t : p.tensors) {
    if (t.what != action::quantize) continue;
    layers.emplace_back(layer_of(t.input.name));
    known_inputs inputs = known.known(layers.back(), static_cast<index_t>(t.input.shape[1]));
    if (o.simple) inputs.mean = false;
    wanted.inputs.emplace(layers.back(), inputs);
  }
  wanted.static_activations = o.input_scale ? activation_scales::store : activation_scales::omit;
  p = make_plan(input.head(), wanted);
  if (auto const unknown = known.unmatched(layers); !unknown.empty())
    p.warnings.push_back("the calibration data has statistics that no quantized layer uses: " + detail::some_of(unknown));
  if (o.strict && !p.warnings.empty()) throw usage_error("--strict: " + p.warnings.front());
  return p;
}

/// Returns the plan, with what there is to say of the adapters that are merged, if any.
plan plan_of(options const& o, safetensors::reader const& input, calibration_files const& known, lora_merge const* merge,
             plan_options& wanted) {
  plan p = plan_with_inputs(o, input, known, wanted);
  if (merge == nullptr) return p;
  p.warnings.insert(p.warnings.end(), merge->warnings().begin(), merge->warnings().end());
  std::vector<std::string> removed;
  for (auto const& t : p.tensors)
    if (t.what == action::remove && merge->changes(t.input.name)) removed.push_back(t.input.name);
  if (!removed.empty()) p.warnings.push_back("LoRAs change tensors that are left out of the output: " + detail::some_of(removed));
  if (o.strict && !p.warnings.empty()) throw usage_error("--strict: " + p.warnings.front());
  return p;
}

std::string described(matched_adapter const& adapter) {
  return safetensors::quoted(adapter.path) + " with strength " + detail::trimmed(adapter.factor, 6) + " into " +
         detail::layers_in_words(adapter.layers);
}

template <host_executor Executor>
void convert(options const& o, Executor const& ex, int threads, std::atomic<bool> const& stop) {
  auto const start = std::chrono::steady_clock::now();
  std::uint64_t const seed = o.manual_seed >= 0 ? static_cast<std::uint64_t>(o.manual_seed) : std::random_device{}();
  convert_settings const settings = settings_of(o, seed, threads);
  observer watcher{.advanced = {}, .cancelled = [&stop] { return stop.load(std::memory_order_relaxed); }};

  safetensors::reader const input(o.input);
  plan_options wanted = plan_options_of(o);
  std::optional<safetensors::input_file> layers;
  if (!o.layer_config.empty()) wanted.layers = layer_config_of(o, text_of(layers.emplace(o.layer_config)));
  bool const is_random =
      wanted.target.rounding == rounding_kind::stochastic || (wanted.target.basis == storage_basis::incoherent && !o.quip_seed);
  if (o.manual_seed < 0 && is_random) wanted.added_metadata = {{"halfstep_seed", std::to_string(seed)}};
  calibration_files const known(o.calibration_data);
  std::optional<lora_merge> loras;
  if (!o.loras.empty()) loras.emplace(o.loras, lora_options_of(o), input.head());
  lora_merge const* const merge = loras ? &*loras : nullptr;
  plan p = plan_of(o, input, known, merge, wanted);
  run_report report;
  if (merge != nullptr)
    for (auto const& adapter : merge->adapters()) report.merged.push_back(described(adapter));
  report.settings = described(o, seed);
  report.input = o.input;
  say(o, report.settings);
  for (auto const& note : o.notes) say(o, "note: " + note);
  for (auto const& adapter : report.merged) say(o, "merging " + adapter);
  if (o.dry_run) {
    if (o.dry_run == "create-template") {
      std::fputs(layer_template(p).c_str(), stdout);
      return;
    }
    std::fputs(analyze(p, {.bytes_in_flight = bytes_in_flight(p, settings, threads)}).c_str(), stdout);
    return;
  }
  if (o.nan == nonfinite_policy::keep) {
    wanted.nonfinite = nonfinite_tensors(ex, input, p, settings, watcher);
    if (!wanted.nonfinite.empty()) p = plan_of(o, input, known, merge, wanted);
    for (auto const& name : wanted.nonfinite) say(o, "note: '" + name + "' holds NaN or infinity and stays as it is");
  }
  print_plan(o, p);
  report.output = o.output.empty() ? default_output_name(o.input, p, wanted.target,
                                                         o.recipe == "comfyui" ? recipe_choice::standard : recipe_choice::flags,
                                                         o.simple ? code_search::simple : code_search::learned)
                                   : o.output;
  report.warnings = p.warnings;
  report.settings_list = settings_list(o, p, seed, threads);
  for (auto const& adapter : report.merged) report.settings_list.emplace_back("merged", adapter);
  count_formats(p, report);

  std::vector inputs = known.identities();
  inputs.push_back(input.identity());
  if (layers) inputs.push_back(layers->identity());
  if (merge != nullptr)
    for (auto const& identity : merge->identities()) inputs.push_back(identity);
  safetensors::writer output(report.output, p.output, o.force ? safetensors::overwrite::replace : safetensors::overwrite::refuse,
                             inputs);
  progress shown(settled(o.progress, o.level), p);
  watcher.advanced = [&shown](std::string_view tensor, std::uint64_t bytes) { shown.advance(tensor, bytes); };
  codec_table const codecs = all_codecs();
  solve_options solving = o.solve;
  solving.quip_seed = o.quip_seed ? static_cast<std::uint64_t>(*o.quip_seed) : seed;
  conversion job(input, p, codecs, output, settings, watcher, {all_stages(), solving, &known, merge});
  try {
    job.run(ex);
  } catch (...) {
    shown.finish();
    throw;
  }
  shown.finish();

  verify_output(ex, job, p, input, output, settings, watcher);
  check_contract(output.head(), contract_of(p),
                 [&output](safetensors::tensor const& t, std::uint64_t offset, std::span<std::byte> into) {
                   output.read_back(t, offset, into);
                 });
  report.layers = job.quality();
  if (std::any_of(report.layers.begin(), report.layers.end(), [](auto const& l) { return l.output_error.has_value(); }))
    report.measured_on = "the rows in the calibration data, which the scales were chosen for: held-out inputs lose a little more";
  report.input_bytes = input.file_bytes();
  report.output_bytes = output.file_bytes();
  report.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  warn_of_overflow(o, report);
  if (o.fail_below && !summarize(report.layers, *o.fail_below).below.empty() && o.report_quality) {
    report.warnings.push_back("not published: layers are below --fail-below " + detail::fixed(*o.fail_below, 2) + " dB");
    write_report(o, report);
  }
  require_quality(o, report);
  input.require_unchanged();
  if (merge != nullptr) merge->require_unchanged();
  if (stop.load()) throw cancelled("stopped on request: nothing was published");
  if (o.report_quality && !o.report_file.empty()) write_report(o, report);
  output.commit();
  report.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();

  if (o.report_quality && o.report_file.empty()) write_report(o, report);
  if (o.level > verbosity::minimal) {
    std::string const text = report.settings + "\n" + summary_text(report, o.quality_threshold);
    std::fputs(text.c_str(), stdout);
    if (!o.report_file.empty()) std::fputs(("  report: " + o.report_file + "\n").c_str(), stdout);
  }
  std::fputs((report.output + "\n").c_str(), stdout);
}

}  // namespace

void run(options const& o, std::atomic<bool> const& stop) {
  int const count = thread_count(o);
  if (count == 1) return convert(o, serial{}, 1, stop);
  threads const team(count);
  program::start(team);
  convert(o, team, count, stop);
}

}  // namespace convert_to_quant
