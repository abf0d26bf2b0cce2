// Where expressions over tensor names are looked for.
#pragma once

#include <cstdint>

namespace halfstep {

/// Where an expression is looked for.
enum class pattern_scope : std::uint8_t {
  part_of_name,   ///< in the name of the tensor, and in it without its `.weight`
  part_of_layer,  ///< in the name without `.weight`
  whole_layer     ///< it must match all of the name without `.weight`
};

}  // namespace halfstep
