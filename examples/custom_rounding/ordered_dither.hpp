// A rounding of one's own: up or down against a fixed pattern of thresholds, as halftone printing does it.
#pragma once

#include <string_view>

#include <halfstep/core/bracket.hpp>
#include <halfstep/core/extents.hpp>

struct ordered_dither {
  static constexpr std::string_view name = "ordered_dither";
  static constexpr float max_error_steps = 1.0f;

  /// Takes the farther code where the distance exceeds the threshold of the element: 1/8, 3/8, 5/8 or 7/8 of a step.
  template <class Code>
  HALFSTEP_HD constexpr Code operator()(halfstep::bracket<Code> b, halfstep::index_t element) const {
    float const threshold = (2.0f * static_cast<float>(element * 7 % 4) + 1.0f) / 8.0f;
    return b.t > threshold ? b.farther : b.nearer;
  }
};
