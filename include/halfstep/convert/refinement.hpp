// What a conversion does beyond rounding a file's weights to nearest on the largest magnitudes.
#pragma once

#include <halfstep/calibration/files.hpp>
#include <halfstep/convert/lora_directions.hpp>
#include <halfstep/convert/options.hpp>
#include <halfstep/lora/merge.hpp>
#include <halfstep/recipe/solve_options.hpp>
#include <halfstep/recipe/stage_table.hpp>

namespace halfstep {

/// The stages that layers may ask for, their numbers, what is known of the layers' inputs, what is merged into the weights, and
/// what happens to those that FP16 does not reach.
struct refinement {
  stage_table stages;
  solve_options options;
  calibration_files const* inputs = nullptr;    ///< borrowed; null where nothing is known
  lora_merge const* merge = nullptr;            ///< borrowed; null where nothing is merged
  lora_directions const* directions = nullptr;  ///< borrowed; null where no LoRA says what matters
  overflow_policy overflow = overflow_policy::refuse;
};

}  // namespace halfstep
