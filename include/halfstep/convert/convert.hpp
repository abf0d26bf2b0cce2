// A conversion from file to file, in one call or in its steps.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include <halfstep/convert/options.hpp>
#include <halfstep/convert/settings.hpp>
#include <halfstep/exec/any_host.hpp>
#include <halfstep/lora/matched_adapter.hpp>
#include <halfstep/plan/planned.hpp>
#include <halfstep/recipe/format_table.hpp>
#include <halfstep/recipe/stage_table.hpp>
#include <halfstep/report/report.hpp>

namespace halfstep {

/// A conversion in its steps, for programs that show the plan before the work and the report before the publication.
///
/// Construction opens the inputs and plans, from headers and markers alone; `run` writes everything into `<output>.part` and
/// checks it; `publish` gives it its name. Destroyed before that, it leaves nothing behind, unless it is to be gone on with.
/// Prints nothing. What it does is compiled where `converter_source.hpp` is included.
class file_conversion {
 public:
  /// Opens the inputs and makes the plan. Throws io_error, format_error, usage_error and unknown_option.
  explicit file_conversion(conversion_options options);
  file_conversion(file_conversion const&) = delete;
  file_conversion& operator=(file_conversion const&) = delete;
  ~file_conversion();

  /// Returns what will be done. `keep_nonfinite` may change it.
  plan const& planned() const;

  /// Returns the adapters that are merged into the weights.
  std::vector<matched_adapter> merged() const;

  /// Returns the path that will be published; of a model in shards that of its index.
  std::string output_path() const;

  /// Returns the seed: that of the options, or of an interrupted run that is gone on with.
  std::uint64_t seed() const;

  /// Leaves weights that hold NaN or infinity, and those that FP16 does not reach, as they are where the options say so: reads
  /// them once and plans again, with a note for each. Throws `cancelled` when the observer says so.
  void keep_nonfinite(any_host const& ex, observer const& watcher);

  /// Writes the whole output beside its place and checks it; returns what is known of it.
  ///
  /// Uses the formats and stages that the recipes name. What is done is written down beside the output on the way, and with
  /// `unfinished::keep` an interrupted run is gone on with. Throws what the library throws, `cancelled` within one piece or one
  /// step of a solver after the observer said so; nothing is left then once this object is gone, unless parts are kept.
  run_report run(any_host const& ex, format_table const& formats, stage_table stages, observer const& watcher);

  /// Publishes what `run` wrote. Throws io_error: input_changed where an input was written to meanwhile, and what a commit
  /// throws; `cancelled` when the observer says so. Precondition: `run` returned.
  void publish(observer const& watcher);

  /// Returns whether another run can go on with what this one leaves where it ends early.
  bool leaves_work() const;

  /// Returns how many tensors `run` took over from an interrupted run.
  std::size_t taken_over() const;

  /// Returns the time since construction in seconds.
  double seconds() const;

 private:
  class state;
  std::unique_ptr<state> state_;
};

/// Converts a file as `options` say and publishes the result; returns what is known of it.
///
/// Prints nothing: the observer is told of progress and may cancel. Throws what `file_conversion` throws, and quality_error for
/// a layer below `fail_below_db`; nothing is published then, and nothing is left unless it is to be gone on with.
run_report convert(any_host const& ex, conversion_options options, format_table const& formats, stage_table stages,
                   observer const& watcher = {});

}  // namespace halfstep
