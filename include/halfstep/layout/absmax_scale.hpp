// The scale that puts the largest magnitude of a group on the last code.
#pragma once

#include <halfstep/core/compiler.hpp>
#include <halfstep/core/ieee_float.hpp>
#include <halfstep/layout/concept.hpp>

namespace halfstep {

namespace detail {

/// Returns 10^exponent, correctly rounded for the exponents that FP32 has normal numbers for.
constexpr float power_of_ten(int exponent) {
  double power = 1.0;
  for (int i = 0; i < (exponent < 0 ? -exponent : exponent); ++i) power *= 10.0;
  return static_cast<float>(exponent < 0 ? 1.0 / power : power);
}

}  // namespace detail

/// scale = max(amax / last, 10^Floor) in FP32, `last` the grid's largest number: all zeros get a scale too.
template <int Floor>
struct absmax_scale {
  static_assert(-37 <= Floor && Floor <= 0, "halfstep: the least scale is a power of ten from 1e-37 to 1");
  using group_type = float;
  static constexpr float least = detail::power_of_ten(Floor);

  /// Returns the scale of a group on `Grid`.
  template <class Grid>
  HALFSTEP_HD static group_type fit(value_range v) {
    ieee_float const scale = ieee_float{v.amax} / Grid::last;
    return scale > least ? static_cast<float>(scale) : least;
  }

  /// Returns what a stored scale multiplies the grid's numbers by.
  HALFSTEP_HD static constexpr float scale_of(group_type group) { return group; }
};

}  // namespace halfstep
