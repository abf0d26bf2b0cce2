// What calibration knows of a layer's inputs, as far as names and shapes of the output depend on it.
#pragma once

#include <cstdint>

namespace halfstep {

/// In which basis the largest input of a layer is known.
enum class known_range : std::uint8_t {
  none,
  unrotated,  ///< of the inputs as they come: no scale for a layer that is stored rotated
  any         ///< of the inputs row by row
};

/// What is known of a layer's inputs before a value is read. Synthetic inputs count for nothing here.
struct known_inputs {
  bool mean = false;  ///< of each column, measured: a bias can be corrected
  known_range range = known_range::none;
};

}  // namespace halfstep
