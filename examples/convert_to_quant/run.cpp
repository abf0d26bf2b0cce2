// Reader, plan, writer, conversion, checks, commit: in that order, and nothing is published before the last.
#include "run.hpp"

#include <algorithm>
#include <exception>
#include <fstream>
#include <new>
#include <optional>
#include <random>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <halfstep/converter.hpp>
#include <halfstep/exec/serial.hpp>
#include <halfstep/exec/threads.hpp>
#include <halfstep/file/input_file.hpp>
#include <halfstep/safetensors/foreign_content.hpp>

#include "adapters.hpp"
#include "advice.hpp"
#include "apart.hpp"
#include "console.hpp"
#include "formats/formats.hpp"
#include "messages.hpp"
#include "page/quality_html.hpp"
#include "program/exit_code.hpp"
#include "program/run.hpp"
#include "sentences.hpp"
#include "settings_list.hpp"
#include "solvers/solvers.hpp"
#include "translate.hpp"

namespace convert_to_quant {

namespace {

using namespace halfstep;

/// What the pieces in flight can take: every thread holds one, its codes, and some of its rows in FP32.
std::uint64_t bytes_in_flight(plan const& p, convert_settings const& settings, int threads) {
  std::uint64_t largest = settings.piece_bytes;
  for (auto const& t : p.tensors) {
    if (t.what != action::quantize) continue;
    auto const rows = static_cast<std::uint64_t>(t.how.format.side != 0 ? t.how.format.side : residual_tile_rows);
    largest = std::max(
        largest, std::min(rows, t.input.shape[0]) * t.input.shape[1] * static_cast<std::uint64_t>(bits_of(type_of_rows(t)) / 8));
  }
  return 4 * largest * static_cast<std::uint64_t>(threads);
}

void write_report(options const& o, run_report const& report, messages& to) {
  bool const is_page = o.report_file.ends_with(".html") || o.report_file.ends_with(".htm");
  auto* const write = is_page ? page::quality_html : o.report_file.ends_with(".json") ? quality_json : quality_text;
  std::string const text = write(in_flags(report), o.quality_threshold);
  if (o.report_file.empty()) {
    to.print(text);
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

void print_plan(options const& o, plan const& p, messages& to) {
  to.say(p.rules);
  for (auto const& text : p.warnings) to.say("warning: " + text);
  for (auto const& text : p.notes) to.say("note: " + text);
  to.say("the output " + load_sentence(p.needs, p.since));
  if (o.level == verbosity::verbose) to.say(analyze(in_flags(p)));
  if (o.level < verbosity::debug) return;
  for (auto const& t : p.tensors)
    to.say("  " + t.input.name + ": " +
           (t.what == action::quantize  ? to_string(t.how)
            : t.what == action::keep    ? "kept"
            : t.what == action::correct ? "corrected"
                                        : "left out") +
           ", " + t.reason);
}

/// Returns a seed of ten digits: all take the same room in the metadata, so that a dry run knows the size of the file.
std::uint64_t any_seed() {
  std::random_device device;
  return std::uniform_int_distribution<std::uint64_t>(1'000'000'000, 9'999'999'999)(device);
}

/// Returns the JSON of a layer configuration. Throws usage_error where it is too long or something else.
std::string text_of(file::input_file const& file) {
  if (file.size() > max_layer_config_bytes)
    throw usage_error("--layer-config " + quoted(file.path()) + ": its " + std::to_string(file.size()) + " bytes are more than " +
                      std::to_string(max_layer_config_bytes));
  std::string text(static_cast<std::size_t>(file.size()), '\0');
  file.read(0, std::as_writable_bytes(std::span(text)));
  try {
    return std::string(safetensors::json_content(text));
  } catch (format_error const& e) {
    throw usage_error("--layer-config " + quoted(file.path()) + ": " + e.what());
  }
}

void print_result(options const& o, run_report const& report, messages& to) {
  bool const is_table_printed = o.report_quality && o.report_file.empty();
  if (is_table_printed) {
    run_report table = report;
    table.settings.clear();  // they were said before the work
    write_report(o, table, to);
  }
  if (o.level > verbosity::minimal) {
    to.print(summary_text(in_flags(report), o.quality_threshold,
                          is_table_printed ? summary_extent::without_quality : summary_extent::all));
    if (!o.report_file.empty()) to.print("  report: " + o.report_file + "\n");
  }
  to.print(report.output + "\n");
}

/// Writes the report of a run that is published or refused after it; then throws quality_error where it is refused.
void judge(options const& o, run_report& report, messages& to) {
  if (o.fail_below && !summarize(report.layers, *o.fail_below).below.empty()) {
    report.warnings.push_back("not published: layers are below --fail-below " + detail::fixed(*o.fail_below, 2) + " dB");
    if (o.report_quality) write_report(o, report, to);
    require_quality(report.layers, *o.fail_below);
  }
  if (o.report_quality && !o.report_file.empty()) write_report(o, report, to);
}

/// What is known of a run beside its options.
struct run_facts {
  std::uint64_t seed;
  int threads;
  std::vector<std::string> merged;  ///< adapters, in words
};

/// Does the work of a conversion that is planned, reports and publishes it.
void finish(options const& o, file_conversion& job, any_host const& ex, run_facts const& about, messages& to, observer& watcher) {
  progress shown(settled(o.progress, o.level), job.planned(), to);
  watcher.advanced = [&shown](std::string_view tensor, std::uint64_t bytes) { shown.advance(tensor, bytes); };
  watcher.taken_over = [&shown](std::string_view tensor, std::uint64_t bytes) { shown.take_over(tensor, bytes); };
  run_report report = [&] {
    struct cleared {
      progress& shown;
      ~cleared() { shown.finish(); }
    } const at_the_end{shown};
    return job.run(ex, all_formats(), all_stages(), watcher);
  }();
  for (std::size_t i = job.planned().warnings.size(); i < report.warnings.size(); ++i) to.say("warning: " + report.warnings[i]);
  report.settings = described(o, about.seed);
  report.settings_list = settings_list(o, job.planned(), about.seed, about.threads);
  if (job.taken_over() > 0)
    report.settings_list.emplace_back("taken over from an interrupted run", std::to_string(job.taken_over()) + " tensors");
  report.merged = about.merged;
  for (auto const& adapter : about.merged) report.settings_list.emplace_back("merged", adapter);
  judge(o, report, to);
  job.publish(watcher);
  report.seconds = job.seconds();
  print_result(o, report, to);
}

/// Whether the same command may succeed another time: the disk, the memory or a limit stood in the way, not what was asked for.
bool may_pass(std::exception_ptr const& error) {
  try {
    std::rethrow_exception(error);
  } catch (quality_error const&) {
    return true;
  } catch (io_error const& e) {
    return e.stage() == io_stage::transfer;
  } catch (std::bad_alloc const&) {
    return true;
  } catch (...) {
    return false;
  }
}

void convert(options const& o, any_host const& ex, int threads, messages& to, std::atomic<bool> const& stop) {
  std::optional<file::input_file> layers;
  std::string const layer_text = o.layer_config.empty() ? "" : text_of(layers.emplace(o.layer_config));
  conversion_options wanted =
      conversion_options_of(o, o.manual_seed >= 0 ? static_cast<std::uint64_t>(o.manual_seed) : any_seed(), threads);
  if (layers) {
    wanted.layers.layers = layer_config_of(o, layer_text);
    wanted.other_inputs.push_back(layers->identity());
    wanted.asked.emplace_back("the file of --layer-config", to_string(stamp_of(layers->identity())));
  }
  observer watcher{.advanced = {}, .cancelled = [&stop] { return stop.load(std::memory_order_relaxed); }};
  file_conversion job(wanted);
  std::uint64_t const seed = job.seed();
  std::vector<std::string> merged;
  auto const adapters = job.merged();
  for (std::size_t i = 0; i < adapters.size(); ++i) merged.push_back(described(adapters[i], i));
  to.say(described(o, seed));
  for (auto const& note : o.notes) to.say("note: " + note);
  if (o.max_shard_size && job.planned().shards.empty())
    to.say("note: --max-shard-size changes nothing here: one file holds the model");
  for (auto const& adapter : merged) to.say("merging " + adapter);
  if (auto const note = order_note(adapters); !note.empty()) to.say("note: " + note);
  if (o.dry_run == "create-template") {
    to.print(in_flags(layer_template(job.planned())));
    return;
  }
  if (o.dry_run) {
    to.print(in_flags(analyze(job.planned(), {.bytes_in_flight = bytes_in_flight(job.planned(), wanted.settings, threads)})));
    return;
  }
  job.keep_nonfinite(ex, watcher);
  print_plan(o, job.planned(), to);

  try {
    finish(o, job, ex, {.seed = seed, .threads = threads, .merged = merged}, to, watcher);
  } catch (cancelled const&) {
    if (!job.leaves_work()) throw;
    throw program::stopped("nothing was published, and what is done is kept; run it again with --resume");
  } catch (...) {
    if (job.leaves_work() && may_pass(std::current_exception()))
      to.say("note: what is done is kept beside the output: --resume goes on with it");
    throw;
  }
}

}  // namespace

void run(options const& o, std::atomic<bool> const& stop) {
  require_apart(o, "--log", o.log_file);
  require_apart(o, "--report-quality", o.report_file);
  messages to(o);
  try {
    int const count = thread_count(o);
    if (count == 1) return convert(o, serial{}, 1, to, stop);
    threads const team(count);
    team.start();
    convert(o, team, count, to, stop);
  } catch (...) {
    to.log("error: " + beyond_given(in_flags(program::describe(std::current_exception()).text), o.arguments));
    throw;
  }
}

}  // namespace convert_to_quant
