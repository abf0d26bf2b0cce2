// What the output's name tells of how a run was asked for.
#pragma once

#include <cstdint>

namespace halfstep {

/// How the recipe was chosen, as far as the output's name tells it.
enum class recipe_choice : std::uint8_t {
  standard,  ///< the whole recipe for stock ComfyUI, which a run without format flags takes, and what was changed of it
  flags      ///< put together from format flags
};

/// What a run knows of its layers' inputs, as far as the output's name tells it.
enum class known_of_inputs : std::uint8_t {
  nothing,
  directions,  ///< of a LoRA
  statistics   ///< in calibration data
};

}  // namespace halfstep
