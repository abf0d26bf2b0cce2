// What calibration knows of a layer's inputs, as far as names and shapes of the output depend on it.
#pragma once

#include <cstdint>

namespace halfstep {

/// In which basis the largest input of a layer is known.
enum class known_range : std::uint8_t {
  none,
  stated,     ///< of all columns together: no scale for a layer that is stored rotated or smoothed
  unrotated,  ///< of the inputs as they come: no scale for a layer that is stored rotated
  any         ///< of the inputs row by row
};

/// Whether the largest magnitude of each column is known.
enum class channel_maxima : std::uint8_t { unknown, known };

/// What is known of a layer's inputs before a value is read. Synthetic inputs count for nothing but maxima.
struct known_inputs {
  bool mean = false;  ///< of each column, measured: a bias can be corrected
  known_range range = known_range::none;
  channel_maxima maxima = channel_maxima::unknown;  ///< synthetic inputs count here
};

}  // namespace halfstep
