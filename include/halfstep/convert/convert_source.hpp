// How a conversion from file to file is done: plan, work, checks, publication. For one unit of a program.
#pragma once

#include <algorithm>
#include <charconv>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include <halfstep/calibration/files.hpp>
#include <halfstep/convert/convert.hpp>
#include <halfstep/convert/fingerprint.hpp>
#include <halfstep/convert/layer_plan.hpp>
#include <halfstep/convert/lora_directions.hpp>
#include <halfstep/convert/nonfinite.hpp>
#include <halfstep/convert/options.hpp>
#include <halfstep/convert/pipeline.hpp>
#include <halfstep/convert/refinement.hpp>
#include <halfstep/convert/resume_journal.hpp>
#include <halfstep/convert/settings.hpp>
#include <halfstep/convert/verify.hpp>
#include <halfstep/core/error.hpp>
#include <halfstep/exec/any_host.hpp>
#include <halfstep/file/folder.hpp>
#include <halfstep/file/journal_file.hpp>
#include <halfstep/lora/merge.hpp>
#include <halfstep/plan/output_name.hpp>
#include <halfstep/plan/plan.hpp>
#include <halfstep/plan/stored_layers.hpp>
#include <halfstep/recipe/contract.hpp>
#include <halfstep/recipe/format_table.hpp>
#include <halfstep/recipe/stage_table.hpp>
#include <halfstep/report/quality_limit.hpp>
#include <halfstep/report/quality_number.hpp>
#include <halfstep/report/report.hpp>
#include <halfstep/safetensors/open_model.hpp>
#include <halfstep/safetensors/reader.hpp>
#include <halfstep/safetensors/shard_index.hpp>
#include <halfstep/safetensors/shard_layout.hpp>
#include <halfstep/safetensors/writer.hpp>

namespace halfstep {

/// What a conversion knows between its steps.
class file_conversion::state {
 public:
  /// Opens the inputs and makes the plan. Throws io_error, format_error, usage_error and unknown_option.
  explicit state(conversion_options options)
      : options_(std::move(options)),
        model_(safetensors::open_model(options_.input)),
        input_(model_.file),
        known_(options_.calibration_data) {
    options_.layers.stored = stored_layers(
        input_.head(), options_.layers.formats,
        [this](safetensors::tensor const& t, std::uint64_t offset, std::span<std::byte> into) { input_.read(t, offset, into); });
    if (!options_.loras.empty()) merge_.emplace(options_.loras, options_.merging, input_.head());
    if (!options_.calibration_lora.empty()) directions_.emplace(options_.calibration_lora, input_.head());
    make_plan();
  }
  state(state const&) = delete;
  state& operator=(state const&) = delete;
  ~state() {
    if (journal_ && !leaves_work()) give_up();
  }

  /// Returns what will be done. `keep_nonfinite` may change it.
  plan const& planned() const { return plan_; }

  /// Returns the adapters that are merged into the weights.
  std::vector<matched_adapter> merged() const { return merge_ ? merge_->adapters() : std::vector<matched_adapter>{}; }

  /// Returns the path that will be published; of a model in shards that of its index.
  std::string output_path() const { return plan_.shards.empty() ? asked_path() : safetensors::shard_index_path(asked_path()); }

  /// Leaves weights that hold NaN or infinity as they are where the options say so: reads them once and plans again, with a
  /// note for each. Throws `cancelled` when the observer says so.
  void keep_nonfinite(any_host const& ex, observer const& watcher) {
    if (options_.nonfinite != nonfinite_policy::keep) return;
    options_.layers.nonfinite = nonfinite_tensors(ex, input_, plan_, options_.settings, watcher);
    if (options_.layers.nonfinite.empty()) return;
    make_plan();
    for (auto const& name : options_.layers.nonfinite)
      plan_.notes.push_back("'" + name + "' holds NaN or infinity and stays as it is");
  }

  /// Writes the whole output beside its place and checks it; returns what is known of it.
  ///
  /// Uses the formats and stages that the recipes name. What is done is written down beside the output on the way, and with
  /// `unfinished::keep` an interrupted run is gone on with. Throws what the library throws, `cancelled` within one piece or one
  /// step of a solver after the observer said so; nothing is left then once this object is gone, unless parts are kept.
  run_report run(any_host const& ex, format_table const& formats, stage_table stages, observer const& watcher) {
    fingerprint const now = make_fingerprint();
    auto const inputs = input_identities();
    auto const found =
        resumes() && interrupted_run::require_same_run(output_path(), now) ? file::found_part::go_on : file::found_part::empty;
    if (plan_.shards.empty())
      output_.emplace(asked_path(), plan_.output, options_.existing, inputs, found);
    else
      output_.emplace(asked_path(), safetensors::shard_layout{plan_.output, plan_.shards}, options_.existing, inputs, found);
    // From here on nobody else writes the journal.
    auto const before = found == file::found_part::go_on ? interrupted_run(output_path(), now) : interrupted_run();
    open_journal(now, before, inputs);
    output_->leave(options_.part);
    conversion job(input_, plan_, formats, *output_, options_.settings, watcher,
                   {std::move(stages), options_.solving, &known_, merge(), directions()}, journal_ ? &*journal_ : nullptr);
    taken_over_ = job.restore(ex, before.tensors());
    changed_ = before.tensors().size() - taken_over_;
    job.run(ex);
    try {
      verify_output(ex, job, plan_, input_, *output_, options_.settings, watcher);
      check_contract(output_->head(), contract_of(plan_),
                     [this](safetensors::tensor const& t, std::uint64_t offset, std::span<std::byte> into) {
                       output_->read_back(output_->at(t.name), offset, into);
                     });
    } catch (contract_error const&) {
      give_up();  // what of it can be trusted is not known
      throw;
    }
    return report(job);
  }

  /// Publishes what `run` wrote. Throws io_error: input_changed where an input was written to meanwhile, and what a commit
  /// throws; `cancelled` when the observer says so. Precondition: `run` returned.
  void publish(observer const& watcher) {
    input_.require_unchanged();
    if (merge() != nullptr) merge()->require_unchanged();
    if (directions_) directions_->require_unchanged();
    require_going(watcher);
    output_->commit([this] {
      if (journal_) journal_->remove();
    });
    journal_.reset();
  }

  /// Returns whether another run can go on with what this one leaves where it ends early.
  bool leaves_work() const { return resumes() && journal_ && journal_->remembers() && output_->is_kept(); }

  /// Returns how many tensors `run` took over from an interrupted run.
  std::size_t taken_over() const { return taken_over_; }

  /// Returns the time since construction in seconds.
  double seconds() const { return std::chrono::duration<double>(std::chrono::steady_clock::now() - start_).count(); }

 private:
  /// Returns the path that the output was given, or that follows from the input's.
  std::string asked_path() const {
    if (!options_.output.empty()) return options_.output;
    std::string_view input = options_.input;
    while (input.size() > 1 && input.ends_with('/')) input.remove_suffix(1);
    std::string_view const last = input.substr(file::folder_of(input).size());
    bool const names_it = file::kind_of(options_.input) == file::path_kind::folder && last != "." && last != "..";
    return default_output_name(names_it ? input : std::string_view(input_.path()), plan_, options_.layers.target, options_.chosen,
                               options_.search, options_.layers.block_size);
  }

  void make_plan() {
    plan_ = plan_layers(input_.head(), known_, merge(), directions(), options_.biases, options_.layers);
    if (options_.layers.strict == strictness::refuse && !model_.warnings.empty())
      throw usage_error(message{"strict.warnings", "`strict`: " + joined(model_.warnings, "; ")});
    plan_.warnings.insert(plan_.warnings.begin(), model_.warnings.begin(), model_.warnings.end());
    plan_.notes.insert(plan_.notes.begin(), model_.notes.begin(), model_.notes.end());
    if (!plan_.shards.empty())
      plan_.output_bytes += safetensors::serialize(safetensors::index_of(plan_.shards, asked_path())).size();
    note_interruption();
  }

  bool resumes() const { return options_.part == file::unfinished::keep; }

  /// Leaves nothing behind.
  void give_up() noexcept {
    output_->leave(file::unfinished::discard);
    if (journal_) journal_->remove();
    journal_.reset();
  }

  /// Says what becomes of what an interrupted run to the same output left, or refuses to go on with it.
  void note_interruption() {
    if (resumes()) {
      bool const is_planned = options_.nonfinite != nonfinite_policy::keep || !options_.layers.nonfinite.empty();
      bool const found = is_planned ? interrupted_run::require_same_run(output_path(), make_fingerprint())
                                    : interrupted_run::began(output_path()).has_value();
      plan_.notes.push_back(found ? "`unfinished keep`: going on with what an interrupted run to " + quoted(output_path()) +
                                        " has finished"
                                  : "`unfinished keep`: there is nothing to go on with, so this run begins anew");
      return;
    }
    try {
      if (interrupted_run::began(output_path()))
        plan_.notes.push_back("beside " + quoted(output_path()) +
                              " lies what another run has finished: this one begins anew; `unfinished keep` would go on with it");
    } catch (io_error const&) {  // the run itself says what is wrong there
    }
  }

  /// Opens the journal; one that is not asked for may be missing.
  void open_journal(fingerprint const& now, interrupted_run const& before, std::span<file::file_identity const> inputs) {
    try {
      journal_.emplace(*output_, now, before, inputs);
    } catch (io_error const&) {
      if (resumes()) throw;
    }
  }

  /// Returns what the bytes of the output follow from.
  fingerprint make_fingerprint() const {
    fingerprint now{{}, chosen_facts(plan_, options_.settings.seed, options_.solving), options_.asked};
    auto const add = [&](std::string const& name, auto const& files) {
      std::size_t number = 0;
      for (auto const& file : files)
        now.inputs.emplace_back(name + (files.size() == 1 ? "" : " " + std::to_string(++number)), file_fact(file));
    };
    add("the input", input_.identities());
    now.inputs.emplace_back("the input's digest", sample_fact(input_));
    add("the calibration data", known_.identities());
    if (directions_) add("the calibration LoRA", std::vector{directions_->identity()});
    if (merge() == nullptr) return now;
    add("the LoRA", merge()->identities());
    for (std::size_t i = 0; auto const& adapter : merge()->adapters())
      now.chosen.emplace_back("the strength of LoRA " + std::to_string(++i), detail::json_number(adapter.factor));
    return now;
  }

  lora_directions const* directions() const { return directions_ ? &*directions_ : nullptr; }
  lora_merge const* merge() const { return merge_ ? &*merge_ : nullptr; }

  std::vector<file::file_identity> input_identities() const {
    std::vector all = known_.identities();
    for (auto const& identity : input_.identities()) all.push_back(identity);
    all.insert(all.end(), options_.other_inputs.begin(), options_.other_inputs.end());
    if (directions_) all.push_back(directions_->identity());
    if (merge() != nullptr)
      for (auto const& identity : merge()->identities()) all.push_back(identity);
    return all;
  }

  run_report report(conversion const& job) const {
    run_report r;
    r.input = options_.input;
    r.output = output_path();
    r.warnings = plan_.warnings;
    r.layers = job.quality();
    r.input_bytes = input_.file_bytes();
    r.output_bytes = output_->file_bytes();
    if (std::any_of(r.layers.begin(), r.layers.end(), [](auto const& l) { return l.output_error.has_value(); }))
      r.measured_on = "the rows in the calibration data, which the scales were chosen for: held-out inputs lose a little more";
    for (auto const& t : plan_.tensors)
      ++r.formats[t.what == action::quantize  ? "layers as " + to_string(t.how)
                  : t.what == action::keep    ? "tensors kept as they are"
                  : t.what == action::correct ? "biases corrected"
                                              : "tensors left out"];
    for (auto const& layer : r.layers) {
      if (layer.how.format.has_scales() || layer.error.clipped == 0) continue;
      r.warnings.push_back(std::to_string(layer.error.clipped) + " weights of '" + layer.layer +
                           "' exceed FP16 and became infinite: keep it with `exclude`");
      if (options_.layers.strict == strictness::refuse) throw value_error("`strict`: " + r.warnings.back());
    }
    if (changed_ > 0)
      r.warnings.push_back(std::to_string(changed_) + (changed_ == 1 ? " tensor" : " tensors") +
                           " of the interrupted run did not lie in the output's part as they were written, and were done again");
    if (journal_ && journal_->is_broken())
      r.warnings.push_back(
          "the journal of what is done could not be written to its end, so `unfinished keep` would have known a part of it");
    r.seconds = seconds();
    return r;
  }

  std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
  conversion_options options_;
  safetensors::opened_model model_;
  safetensors::reader const& input_;
  calibration_files known_;
  std::optional<lora_merge> merge_;
  std::optional<lora_directions> directions_;
  plan plan_;
  std::optional<safetensors::writer> output_;
  std::optional<resume_journal> journal_;
  std::size_t taken_over_ = 0;
  std::size_t changed_ = 0;  ///< tensors that an interrupted run finished and that are not as it left them
};

file_conversion::file_conversion(conversion_options options) : state_(std::make_unique<state>(std::move(options))) {}

file_conversion::~file_conversion() = default;

plan const& file_conversion::planned() const { return state_->planned(); }

std::vector<matched_adapter> file_conversion::merged() const { return state_->merged(); }

std::string file_conversion::output_path() const { return state_->output_path(); }

void file_conversion::keep_nonfinite(any_host const& ex, observer const& watcher) { state_->keep_nonfinite(ex, watcher); }

run_report file_conversion::run(any_host const& ex, format_table const& formats, stage_table stages, observer const& watcher) {
  return state_->run(ex, formats, std::move(stages), watcher);
}

void file_conversion::publish(observer const& watcher) { state_->publish(watcher); }

bool file_conversion::leaves_work() const { return state_->leaves_work(); }

std::size_t file_conversion::taken_over() const { return state_->taken_over(); }

double file_conversion::seconds() const { return state_->seconds(); }

std::optional<std::uint64_t> seed_of_interrupted_run(conversion_options wanted) {
  wanted.part = file::unfinished::discard;  // to learn the output's name, which no seed changes, and no more
  auto const began = interrupted_run::began(file_conversion(std::move(wanted)).output_path());
  auto const* const text = began ? detail::value_of(began->chosen, seed_name) : nullptr;
  std::uint64_t seed = 0;
  if (text == nullptr || std::from_chars(text->data(), text->data() + text->size(), seed).ec != std::errc{}) return std::nullopt;
  return seed;
}

run_report convert(any_host const& ex, conversion_options options, format_table const& formats, stage_table stages,
                   observer const& watcher) {
  auto const least = options.fail_below_db;
  if (options.layers.formats.empty()) options.layers.formats = formats.formats();
  if (options.layers.moment_solvers.empty()) options.layers.moment_solvers = stages.moment_solvers();
  file_conversion job(std::move(options));
  job.keep_nonfinite(ex, watcher);
  run_report report = job.run(ex, formats, std::move(stages), watcher);
  if (least) require_quality(report.layers, *least);
  job.publish(watcher);
  report.seconds = job.seconds();
  return report;
}

}  // namespace halfstep
