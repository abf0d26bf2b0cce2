// FP16 numbers as codes; no groups.
#pragma once

#include <string_view>

#include <halfstep/core/float16.hpp>
#include <halfstep/core/ieee_float.hpp>
#include <halfstep/layout/concept.hpp>

namespace halfstep {

/// The FP16 layout: codes [M, N] are IEEE FP16 numbers, nothing beside them.
///
/// Magnitudes of 65520 and more become infinite, as a cast makes them; conversions of files refuse or clamp them.
struct fp16 {
  static constexpr std::string_view name = "fp16";
  using code_type = float16;
  using group_type = no_group;
  using step_type = no_group;

  HALFSTEP_HD static constexpr bool fits(extents2) { return true; }
  HALFSTEP_HD static constexpr extents2 groups(extents2) { return {0, 0}; }
  HALFSTEP_HD static constexpr index_t run(extents2 e) { return e.columns; }
  HALFSTEP_HD static constexpr index_t group_of(extents2, index_t, index_t) { return 0; }

  HALFSTEP_HD static constexpr group_type fit(value_range) { return {}; }
  HALFSTEP_HD static constexpr step_type unpack(group_type) { return {}; }

  /// Returns the FP16 numbers on either side of `x`, ties to the even one.
  HALFSTEP_HD static bracket<code_type> locate(float x, step_type) {
    float16 const nearer = to_float16(x);
    ieee_float const difference = ieee_float{x} - widen(nearer);
    // One bit pattern up is one step away from zero, whatever the sign.
    bool const outward = (difference < 0.0f) == (ieee_float{x} < 0.0f);
    auto const pattern = static_cast<unsigned>(nearer);
    bool const is_zero = (pattern & 0x7fffu) == 0;
    unsigned const away = is_zero ? (static_cast<unsigned>(bits(x)) >> 16 & 0x8000u) + 1u : pattern + 1u;
    auto const neighbour = static_cast<float16>(outward || is_zero ? away : pattern - 1u);
    if (!(ieee_float{absolute(difference)} > 0.0f) || (pattern & 0x7c00u) == 0x7c00u) return {nearer, nearer, 0.0f};
    return {nearer, neighbour, static_cast<float>(difference / (ieee_float{widen(neighbour)} - widen(nearer)))};
  }

  /// Returns whether `x` becomes infinite.
  HALFSTEP_HD static bool clips(float x, step_type) { return ieee_float{absolute(x)} >= 65520.0f; }

  HALFSTEP_HD static constexpr float decode(code_type code, step_type) { return widen(code); }
};

}  // namespace halfstep
