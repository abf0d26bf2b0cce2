// The least that a grid has to be: five numbers that are not evenly spaced.
#pragma once

#include <cmath>
#include <cstdint>
#include <string_view>

#include <halfstep/layout/grid.hpp>

namespace halfstep_test {

/// -4, -1, 0, 1 and 4 times a scale, as the codes -2 to 2.
struct minimal_grid {
  static constexpr std::string_view name = "minimal";
  static constexpr float last = 4.0f;
  using code_type = std::int8_t;
  using step_type = float;

  HALFSTEP_HD static step_type unpack(float scale) { return scale; }
  HALFSTEP_HD static float decode(code_type code, step_type s) {
    return static_cast<float>(code * (code < 0 ? -code : code)) * s;
  }
  HALFSTEP_HD static halfstep::bracket<code_type> locate(float x, step_type s) {
    float const steps = std::fabs(x / s);
    code_type const sign = x < 0.0f ? -1 : 1;
    auto const code = [=](int magnitude) { return static_cast<code_type>(sign * magnitude); };
    if (steps >= 4.0f) return {code(2), code(steps > 4.0f ? 2 : 1), 0.0f};
    if (steps > 2.5f) return {code(2), code(1), (4.0f - steps) / 3.0f};
    if (steps >= 1.0f) return {code(1), code(2), (steps - 1.0f) / 3.0f};
    if (steps > 0.5f) return {code(1), 0, 1.0f - steps};
    return {0, code(1), steps};
  }
};

static_assert(halfstep::check_grid<minimal_grid>());

}  // namespace halfstep_test
