// What a conversion from file to file is told.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include <halfstep/convert/fact_list.hpp>
#include <halfstep/convert/settings.hpp>
#include <halfstep/file/file_identity.hpp>
#include <halfstep/file/output_policy.hpp>
#include <halfstep/lora/options.hpp>
#include <halfstep/plan/options.hpp>
#include <halfstep/plan/output_choice.hpp>
#include <halfstep/recipe/basis_row.hpp>
#include <halfstep/recipe/solve_options.hpp>

namespace halfstep {

/// What happens to weights that hold NaN or infinity.
enum class nonfinite_policy : std::uint8_t {
  refuse,  ///< the run ends with their names
  keep     ///< they are found in a pass over the data and stay as they are
};

/// What happens to weights beyond FP16, which would become infinite in it.
enum class overflow_policy : std::uint8_t {
  refuse,  ///< the run ends with tensor and element
  keep,    ///< they are found in a pass over the data, and their tensors stay in their type
  clamp    ///< they become 65504, FP16's last number, with a warning
};

/// What happens to biases of layers whose mean input is known.
enum class bias_policy : std::uint8_t { correct, keep };

/// A seed that was drawn, not given: a run that goes on with an interrupted one takes over its seed.
struct drawn_seed {
  /// Where it went beside the rounding.
  enum class reach : std::uint8_t { rounding, rounding_and_signs };

  std::string metadata_key = {};  ///< under which `layers.added_metadata` tells it; empty: nowhere
  reach used_for = reach::rounding;
};

/// Everything that a conversion is told, apart from where it runs and who watches.
struct conversion_options {
  std::string input;                            ///< a file, an index, a folder with either, or a shard: see `locate_model`
  std::string output = {};                      ///< empty: beside the input, named after it
  plan_options layers = {};                     ///< what becomes of the tensors; `inputs` are found in the calibration data
  recipe_choice chosen = recipe_choice::flags;  ///< for the output's name
  convert_settings settings = {};
  solve_options solving = {};
  std::optional<drawn_seed> drawn = std::nullopt;  ///< what `settings.seed` is where nobody gave it
  std::vector<std::string> calibration_data = {};  ///< files
  std::string calibration_lora = {};               ///< a file that informs layers without statistics, or empty
  bias_policy biases = bias_policy::correct;
  std::vector<lora_request> loras = {};
  lora_options merging = {};
  nonfinite_policy nonfinite = nonfinite_policy::refuse;
  overflow_policy overflow = overflow_policy::refuse;
  std::vector<basis_choice> stored_bases = {};  ///< that layers of the input may be in, beside those of files that others load
  file::overwrite existing = file::overwrite::refuse;
  /// keep: goes on with the part that an interrupted run of the same kind left, and leaves its own where it ends early
  file::unfinished part = file::unfinished::discard;
  fact_list asked = {};  ///< what a user would recognise of all this, for the message that an interrupted run was another
  std::vector<file::file_identity> other_inputs = {};  ///< of files that were read already: never the output
  std::optional<double> fail_below_db = std::nullopt;  ///< a layer of less SQNR: nothing is published
};

}  // namespace halfstep
