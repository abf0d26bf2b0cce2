// Reader, plan, writer, conversion, checks, commit: in that order, and nothing is published before the last.
#include "run.hpp"

#include <algorithm>
#include <cstdio>
#include <fstream>
#include <optional>
#include <random>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <halfstep/converter.hpp>
#include <halfstep/exec/serial.hpp>
#include <halfstep/exec/threads.hpp>

#include "codecs/codecs.hpp"
#include "console.hpp"
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

std::string described(matched_adapter const& adapter) {
  return safetensors::quoted(adapter.path) + " with strength " + detail::trimmed(adapter.factor, 6) + " into " +
         detail::layers_in_words(adapter.layers);
}

void print_result(options const& o, run_report const& report) {
  if (o.report_quality && o.report_file.empty()) write_report(o, report);
  if (o.level > verbosity::minimal) {
    std::string const text = report.settings + "\n" + summary_text(report, o.quality_threshold);
    std::fputs(text.c_str(), stdout);
    if (!o.report_file.empty()) std::fputs(("  report: " + o.report_file + "\n").c_str(), stdout);
  }
  std::fputs((report.output + "\n").c_str(), stdout);
}

/// Writes the report of a run that is published or refused after it; then throws quality_error where it is refused.
void judge(options const& o, run_report& report) {
  if (o.fail_below && !summarize(report.layers, *o.fail_below).below.empty()) {
    report.warnings.push_back("not published: layers are below --fail-below " + detail::fixed(*o.fail_below, 2) + " dB");
    if (o.report_quality) write_report(o, report);
    require_quality(report.layers, *o.fail_below);
  }
  if (o.report_quality && !o.report_file.empty()) write_report(o, report);
}

template <host_executor Executor>
void convert(options const& o, Executor const& ex, int threads, std::atomic<bool> const& stop) {
  std::uint64_t const seed = o.manual_seed >= 0 ? static_cast<std::uint64_t>(o.manual_seed) : std::random_device{}();
  conversion_options wanted = conversion_options_of(o, seed, threads);
  std::optional<safetensors::input_file> layers;
  if (!o.layer_config.empty()) {
    wanted.layers.layers = layer_config_of(o, text_of(layers.emplace(o.layer_config)));
    wanted.other_inputs.push_back(layers->identity());
  }
  observer watcher{.advanced = {}, .cancelled = [&stop] { return stop.load(std::memory_order_relaxed); }};
  file_conversion job(wanted);
  std::vector<std::string> merged;
  for (auto const& adapter : job.merged()) merged.push_back(described(adapter));
  say(o, described(o, seed));
  for (auto const& note : o.notes) say(o, "note: " + note);
  for (auto const& adapter : merged) say(o, "merging " + adapter);
  if (o.dry_run == "create-template") {
    std::fputs(layer_template(job.planned()).c_str(), stdout);
    return;
  }
  if (o.dry_run) {
    std::fputs(analyze(job.planned(), {.bytes_in_flight = bytes_in_flight(job.planned(), wanted.settings, threads)}).c_str(),
               stdout);
    return;
  }
  job.keep_nonfinite(ex, watcher);
  print_plan(o, job.planned());

  progress shown(settled(o.progress, o.level), job.planned());
  watcher.advanced = [&shown](std::string_view tensor, std::uint64_t bytes) { shown.advance(tensor, bytes); };
  run_report report = [&] {
    struct finish {
      progress& shown;
      ~finish() { shown.finish(); }
    } const at_the_end{shown};
    return job.run(ex, all_codecs(), all_stages(), watcher);
  }();
  for (std::size_t i = job.planned().warnings.size(); i < report.warnings.size(); ++i) say(o, "warning: " + report.warnings[i]);
  report.settings = described(o, seed);
  report.settings_list = settings_list(o, job.planned(), seed, threads);
  report.merged = merged;
  for (auto const& adapter : merged) report.settings_list.emplace_back("merged", adapter);
  judge(o, report);
  job.publish(watcher);
  report.seconds = job.seconds();
  print_result(o, report);
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
