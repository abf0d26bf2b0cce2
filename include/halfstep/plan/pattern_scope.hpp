// Where expressions over tensor names are looked for.
#pragma once

#include <cstddef>
#include <cstdint>

namespace halfstep {

/// Where an expression is looked for.
enum class pattern_scope : std::uint8_t {
  part_of_name,   ///< in the name of the tensor, and in it without its `.weight`
  part_of_layer,  ///< in the name without `.weight`
  whole_layer     ///< it must match all of the name without `.weight`
};

/// The longest expression that is compiled, in bytes: what bounds the work of matching grows with its square.
inline constexpr std::size_t max_pattern_bytes = 1000;

}  // namespace halfstep
