// What the output's name tells of how a run was asked for.
#pragma once

#include <cstdint>

namespace halfstep {

/// How the recipe was chosen, as far as the output's name tells it.
enum class recipe_choice : std::uint8_t {
  standard,  ///< the whole recipe for stock ComfyUI, which a run without format flags takes
  flags      ///< put together from format flags
};

/// How codes are found, as far as the output's name tells it.
enum class code_search : std::uint8_t { simple, learned };

}  // namespace halfstep
