// Conversions by the converter's own kernels, compiled once for all tests.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include <halfstep/calibration/files.hpp>
#include <halfstep/convert/settings.hpp>
#include <halfstep/exec/serial.hpp>
#include <halfstep/exec/threads.hpp>
#include <halfstep/lora/merge.hpp>
#include <halfstep/plan/plan.hpp>
#include <halfstep/recipe/contract.hpp>
#include <halfstep/recipe/stage_table.hpp>
#include <halfstep/report/layer_quality.hpp>
#include <halfstep/safetensors/reader.hpp>
#include <halfstep/safetensors/writer.hpp>

namespace halfstep_test {

/// On how many threads a conversion runs; none: on the serial executor.
struct team_size {
  team_size(halfstep::serial) {}
  team_size(halfstep::threads const& team) : count(team.count()) {}
  int count = 0;
};

/// What a conversion takes beside its plan.
struct conversion_case {
  halfstep::convert_settings settings = {.verify = halfstep::verification::full};
  halfstep::observer watcher = {};
  halfstep::solve_options solving = {};
  halfstep::calibration_files const* inputs = nullptr;
  halfstep::lora_merge const* merge = nullptr;
  std::optional<halfstep::stage_table> stages = {};                 ///< all that the converter has where it is empty
  std::function<void(halfstep::safetensors::writer&)> tamper = {};  ///< called after a check, before another one
};

/// Converts `from` as `what` says into the file `to`, checks the result as the converter does, and publishes it.
std::vector<halfstep::layer_quality> converted(team_size team, halfstep::safetensors::reader const& from,
                                               halfstep::plan const& what, std::string const& to,
                                               conversion_case const& how = {});

}  // namespace halfstep_test
