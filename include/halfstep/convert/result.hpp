// What is known of a conversion after its work.
#pragma once

#include <algorithm>
#include <string>
#include <vector>

#include <halfstep/convert/options.hpp>
#include <halfstep/convert/pipeline.hpp>
#include <halfstep/core/error.hpp>
#include <halfstep/core/text.hpp>
#include <halfstep/core/words.hpp>
#include <halfstep/plan/planned.hpp>
#include <halfstep/report/report.hpp>

namespace halfstep {

/// Returns what is known of the layers that `done` has worked on as `p` says, and of their formats.
///
/// Throws value_error where weights were clamped and the options refuse what looks like a mistake.
inline run_report report_of(conversion const& done, plan const& p, conversion_options const& options) {
  run_report r;
  r.input = options.input;
  r.warnings = p.warnings;
  r.layers = done.quality();
  if (std::any_of(r.layers.begin(), r.layers.end(), [](auto const& l) { return l.output_error.has_value(); }))
    r.measured_on = "every tenth row of the calibration data, held out: codes found on the others alone";
  for (auto const& t : p.tensors)
    ++r.formats[t.what == action::quantize  ? "layers as " + to_string(t.how)
                : t.what == action::keep    ? "tensors kept as they are"
                : t.what == action::correct ? "biases corrected"
                                            : "tensors left out"];
  std::vector<std::string> unseen;
  for (auto const& layer : r.layers)
    if (layer.unseen_columns > 0)
      unseen.push_back(quoted(layer.layer) + " (" + std::to_string(layer.unseen_columns) + " of " +
                       std::to_string(layer.shape.columns) + ")");
  if (!unseen.empty())
    r.warnings.push_back("the calibration data never saw some inputs of " + layers_in_words(unseen.size()) +
                         ", zero in all its rows: " + some_of(unseen) +
                         "; what multiplies them is rounded as if they were like the others");
  for (auto const& layer : r.layers) {
    if (layer.how.format.has_scales() || layer.error.clipped == 0) continue;
    r.warnings.push_back(std::to_string(layer.error.clipped) + (layer.error.clipped == 1 ? " weight" : " weights") + " of '" +
                         layer.layer + "' exceeded FP16 and " + (layer.error.clipped == 1 ? "is" : "are") +
                         " 65504 now: `overflow keep` leaves it as it is");
    if (options.layers.strict == strictness::refuse)
      throw value_error(stated("strict.warnings", "`strict`: {warnings}", {{"warnings", r.warnings.back()}}));
  }
  return r;
}

}  // namespace halfstep
