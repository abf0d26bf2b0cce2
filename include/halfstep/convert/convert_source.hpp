// How a conversion from file to file is done: plan, work, checks, publication. For one unit of a program.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <halfstep/convert/conversion_inputs.hpp>
#include <halfstep/convert/convert.hpp>
#include <halfstep/convert/layer_plan.hpp>
#include <halfstep/convert/nonfinite.hpp>
#include <halfstep/convert/options.hpp>
#include <halfstep/convert/output_path.hpp>
#include <halfstep/convert/overflowing.hpp>
#include <halfstep/convert/pipeline.hpp>
#include <halfstep/convert/refinement.hpp>
#include <halfstep/convert/result.hpp>
#include <halfstep/convert/resume/chosen.hpp>
#include <halfstep/convert/resume/fingerprint.hpp>
#include <halfstep/convert/resume/resumption.hpp>
#include <halfstep/convert/settings.hpp>
#include <halfstep/convert/verify.hpp>
#include <halfstep/core/error.hpp>
#include <halfstep/exec/any_host.hpp>
#include <halfstep/plan/plan.hpp>
#include <halfstep/plan/set_metadata.hpp>
#include <halfstep/plan/stored_layers.hpp>
#include <halfstep/recipe/contract.hpp>
#include <halfstep/recipe/format_table.hpp>
#include <halfstep/recipe/stage_table.hpp>
#include <halfstep/report/quality_limit.hpp>
#include <halfstep/report/report.hpp>
#include <halfstep/safetensors/shard_index.hpp>
#include <halfstep/safetensors/shard_layout.hpp>
#include <halfstep/safetensors/writer.hpp>

namespace halfstep {

/// What a conversion knows between its steps.
class file_conversion::state {
 public:
  /// Opens the inputs and makes the plan. Throws io_error, format_error, usage_error and unknown_option.
  explicit state(conversion_options options) : options_(std::move(options)), inputs_(options_), resumption_(options_.part) {
    options_.layers.stored = inputs_.stored(options_.layers.formats);
    make_plan();
    take_over_seed();
    note_interruption();
  }
  state(state const&) = delete;
  state& operator=(state const&) = delete;
  ~state() {
    if (output_ && !leaves_work()) give_up();
  }

  /// Returns what will be done. `keep_nonfinite` may change it.
  plan const& planned() const { return plan_; }

  /// Returns the adapters that are merged into the weights.
  std::vector<matched_adapter> merged() const { return inputs_.merged(); }

  /// Returns the path that will be published; of a model in shards that of its index.
  std::string output_path() const { return halfstep::output_path(options_, inputs_.weights().path(), plan_); }

  /// Returns the seed: that of the options, or of an interrupted run that is gone on with.
  std::uint64_t seed() const { return options_.settings.seed; }

  /// Leaves weights that hold NaN or infinity, and those that FP16 does not reach, as they are where the options say so: reads
  /// them once and plans again, with a note for each. Throws `cancelled` when the observer says so.
  void keep_nonfinite(any_host const& ex, observer const& watcher) {
    auto& layers = options_.layers;
    if (options_.nonfinite == nonfinite_policy::keep) {
      layers.nonfinite = nonfinite_tensors(ex, inputs_.weights(), plan_, options_.settings, watcher);
      if (!layers.nonfinite.empty()) make_plan();
    }
    if (options_.overflow == overflow_policy::keep) {
      layers.overflowing = overflowing_tensors(ex, inputs_.weights(), plan_, inputs_.merge(), options_.settings, watcher);
      if (!layers.overflowing.empty()) make_plan();
    }
    if (layers.nonfinite.empty() && layers.overflowing.empty()) return;
    note_interruption();
    for (auto const& name : layers.nonfinite) plan_.notes.push_back("'" + name + "' holds NaN or infinity and stays as it is");
    for (auto const& name : layers.overflowing) plan_.notes.push_back("'" + name + "' exceeds FP16 and stays as it is");
  }

  /// Writes the whole output beside its place and checks it; returns what is known of it.
  ///
  /// Uses the formats and stages that the recipes name. What is done is written down beside the output on the way, and with
  /// `unfinished::keep` an interrupted run is gone on with. Throws what the library throws, `cancelled` within one piece or one
  /// step of a solver after the observer said so; nothing is left then once this object is gone, unless parts are kept.
  run_report run(any_host const& ex, format_table const& formats, stage_table stages, observer const& watcher) {
    auto const& input = inputs_.weights();
    auto const inputs = inputs_.identities();
    resumption_.look(output_path(), inputs);
    fingerprint const now = make_fingerprint();
    resumption_.require_same(now);
    if (plan_.shards.empty())
      output_.emplace(asked_path(), plan_.output, options_.existing, inputs, resumption_.take_part());
    else
      output_.emplace(asked_path(), safetensors::shard_layout{plan_.output, plan_.shards}, options_.existing, inputs,
                      resumption_.take_part());
    resumption_.begin(*output_, now, inputs);
    conversion job(
        input, plan_, formats, *output_, options_.settings, watcher,
        {std::move(stages), options_.solving, &inputs_.known(), inputs_.merge(), inputs_.directions(), options_.overflow},
        resumption_.journal());
    resumption_.took_over(job.restore(ex, resumption_.before()));
    job.run(ex);
    try {
      verify_output(ex, job, plan_, input, *output_, options_.settings, watcher);
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
    inputs_.require_unchanged();
    require_going(watcher);
    output_->commit([this] { resumption_.end(); });
  }

  /// Returns whether another run can go on with what this one leaves where it ends early.
  bool leaves_work() const { return output_ && resumption_.leaves_work(*output_); }

  /// Returns how many tensors `run` took over from an interrupted run.
  std::size_t taken_over() const { return resumption_.taken_over(); }

  /// Returns the time since construction in seconds.
  double seconds() const { return std::chrono::duration<double>(std::chrono::steady_clock::now() - start_).count(); }

 private:
  std::string asked_path() const { return halfstep::asked_path(options_, inputs_.weights().path(), plan_); }

  void make_plan() {
    plan_ = plan_layers(inputs_.weights().head(), inputs_.known(), inputs_.merge(), inputs_.directions(), options_.biases,
                        options_.layers);
    auto const& model = inputs_.model();
    if (options_.layers.strict == strictness::refuse && !model.warnings.empty())
      throw usage_error(message{"strict.warnings", "`strict`: " + joined(model.warnings, "; ")});
    plan_.warnings.insert(plan_.warnings.begin(), model.warnings.begin(), model.warnings.end());
    plan_.notes.insert(plan_.notes.begin(), model.notes.begin(), model.notes.end());
    if (!plan_.shards.empty())
      plan_.output_bytes += safetensors::serialize(safetensors::index_of(plan_.shards, asked_path())).size();
  }

  /// Puts the seed of an interrupted run in the place of one that was drawn.
  void take_over_seed() {
    if (!options_.drawn) return;
    resumption_.look(output_path(), inputs_.identities());
    auto const seed = resumption_.seed();
    if (!seed) return;
    options_.settings.seed = *seed;
    if (options_.drawn->used_for == drawn_seed::reach::rounding_and_signs) options_.solving.quip_seed = *seed;
    auto const& key = options_.drawn->metadata_key;
    for (auto& pair : options_.layers.added_metadata)
      if (!key.empty() && pair.first == key) pair.second = std::to_string(*seed);
    if (!key.empty()) set_metadata(plan_, key, std::to_string(*seed));
  }

  /// Leaves nothing behind.
  void give_up() noexcept {
    output_->leave(file::unfinished::discard);
    resumption_.end();
  }

  /// Says what becomes of what an interrupted run to the same output left, or refuses to go on with it.
  void note_interruption() {
    resumption_.look(output_path(), inputs_.identities());
    bool const is_planned = (options_.nonfinite != nonfinite_policy::keep && options_.overflow != overflow_policy::keep) ||
                            !options_.layers.nonfinite.empty() || !options_.layers.overflowing.empty();
    if (is_planned && resumption_.goes_on()) resumption_.require_same(make_fingerprint());
    if (auto note = resumption_.note(output_path()); !note.empty()) plan_.notes.push_back(std::move(note));
  }

  /// Returns what the bytes of the output follow from.
  fingerprint make_fingerprint() const {
    fingerprint now = chosen_facts(plan_, options_.settings.seed, options_.solving);
    if (options_.overflow == overflow_policy::clamp)
      now.numbers.push_back({"the largest number that is stored in FP16", 65504.0});
    now.asked = options_.asked;
    inputs_.add_facts(now);
    return now;
  }

  run_report report(conversion const& job) const {
    run_report r = report_of(job, plan_, options_);
    r.output = output_path();
    r.input_bytes = inputs_.weights().file_bytes();
    r.output_bytes = output_->file_bytes();
    for (auto& text : resumption_.warnings()) r.warnings.push_back(std::move(text));
    r.seconds = seconds();
    return r;
  }

  std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
  conversion_options options_;
  conversion_inputs inputs_;
  plan plan_;
  std::optional<safetensors::writer> output_;
  resumption resumption_;
};

file_conversion::file_conversion(conversion_options options) : state_(std::make_unique<state>(std::move(options))) {}

file_conversion::~file_conversion() = default;

plan const& file_conversion::planned() const { return state_->planned(); }

std::vector<matched_adapter> file_conversion::merged() const { return state_->merged(); }

std::string file_conversion::output_path() const { return state_->output_path(); }

std::uint64_t file_conversion::seed() const { return state_->seed(); }

void file_conversion::keep_nonfinite(any_host const& ex, observer const& watcher) { state_->keep_nonfinite(ex, watcher); }

run_report file_conversion::run(any_host const& ex, format_table const& formats, stage_table stages, observer const& watcher) {
  return state_->run(ex, formats, std::move(stages), watcher);
}

void file_conversion::publish(observer const& watcher) { state_->publish(watcher); }

bool file_conversion::leaves_work() const { return state_->leaves_work(); }

std::size_t file_conversion::taken_over() const { return state_->taken_over(); }

double file_conversion::seconds() const { return state_->seconds(); }

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
