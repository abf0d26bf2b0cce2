// How a conversion finds codes and scales beyond rounding to nearest on the largest magnitudes.
#pragma once

#include <halfstep/calibration/files.hpp>
#include <halfstep/recipe/solve_options.hpp>
#include <halfstep/recipe/stage_table.hpp>

namespace halfstep {

/// The stages that layers may ask for, their numbers, and what is known of the layers' inputs.
struct refinement {
  stage_table stages;
  solve_options options;
  calibration_files const* inputs = nullptr;  ///< borrowed; null where nothing is known
};

}  // namespace halfstep
