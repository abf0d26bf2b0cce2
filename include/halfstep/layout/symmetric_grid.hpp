// The uniform INT8 grid, symmetric about zero, shared by every INT8 layout.
#pragma once

#include <cstdint>
#include <string_view>

#include <halfstep/core/arithmetic.hpp>
#include <halfstep/core/bits.hpp>
#include <halfstep/core/bracket.hpp>
#include <halfstep/core/ieee_float.hpp>
#include <halfstep/layout/concept.hpp>
#include <halfstep/layout/grid_step.hpp>

namespace halfstep {

/// The symmetric integer grid {-Limit, .., Limit} * scale.
template <int Limit>
struct symmetric_grid {
  static_assert(0 < Limit && Limit <= 127, "halfstep: an INT8 grid has at most 127 steps on either side");
  static constexpr std::string_view name = Limit == 127 ? "int8" : "symmetric";
  using code_type = std::int8_t;
  using step_type = grid_step;
  static constexpr float last = static_cast<float>(Limit);  ///< the largest number, in units of the scale

  HALFSTEP_HD static step_type unpack(float scale) { return {scale, reciprocal_of(scale)}; }

  /// Returns the codes on either side of `x`, ties to the even one.
  ///
  /// Beyond the last code both are that code. Precondition: |x / scale| < 2^22; the quantizer, which knows the group's
  /// range, sees to it.
  HALFSTEP_HD static bracket<code_type> locate(float x, step_type s) {
    constexpr float magic = 12582912.0f;  // 1.5 * 2^23: adding it rounds to the nearest integer, ties to even
    ieee_float const quotient = exact_quotient(x, s.scale, s.reciprocal);
    ieee_float const shifted = quotient + magic;
    ieee_float const residue = quotient - (shifted - magic);
    int const nearer = bits(shifted) - bits(magic);
    int const farther = residue > 0.0f ? nearer + 1 : nearer - 1;
    return {clamp(nearer), clamp(farther), absolute(residue)};
  }

  /// Returns whether `locate` is exact with this step for every x of the range: no intermediate result overflows or is subnormal.
  HALFSTEP_HD static bool is_near(value_range v, step_type s) {
    return s.scale >= 0x1p-100f && s.scale <= 0x1p+124f && v.amax <= s.scale * 4194303.0f;
  }

  /// Returns what `locate` does, for any finite `x` and any positive finite scale, at the price of a division.
  HALFSTEP_HD static bracket<code_type> locate_far(float x, step_type s) {
    constexpr float beyond = 2.0f * static_cast<float>(Limit);
    ieee_float const quotient = ieee_float{x} / s.scale;
    float const near_quotient = quotient < -beyond ? -beyond : quotient > beyond ? beyond : static_cast<float>(quotient);
    return locate(near_quotient, {1.0f, 1.0f});
  }

  /// Returns whether `x` lies more than half a step beyond the last code.
  HALFSTEP_HD static bool clips(float x, step_type s) {
    return absolute(x) > ieee_float{static_cast<float>(Limit) + 0.5f} * s.scale;
  }

  HALFSTEP_HD static float decode(code_type code, step_type s) {
    return static_cast<float>(ieee_float{static_cast<float>(code)} * s.scale);
  }

  /// Returns the neighbouring code on the side of `direction`'s sign; the code itself at the end of the grid.
  HALFSTEP_HD static code_type neighbour(code_type code, float direction) {
    return clamp(direction > 0.0f ? code + 1 : code - 1);
  }

  /// Returns how far the neighbour on the side of `direction`'s sign is, the grid thought to go on behind its end.
  HALFSTEP_HD static float gap(code_type, float, step_type s) { return s.scale; }

  /// Returns how far the nearer of the two neighbours is.
  HALFSTEP_HD static float least_gap(code_type, step_type s) { return s.scale; }

  /// Returns the length of the step that `x` lies in.
  HALFSTEP_HD static float spacing(float, step_type s) { return s.scale; }

  /// Returns the number of the grid with scale 1 that is nearest to `quotient`, past its end too. Precondition: |quotient| <
  /// 2^22.
  HALFSTEP_HD static float nearest_number(float quotient) {
    constexpr float magic = 12582912.0f;
    return (quotient + magic) - magic;
  }

 private:
  HALFSTEP_HD static code_type clamp(int code) {
    return static_cast<code_type>(code < -Limit ? -Limit : code > Limit ? Limit : code);
  }
};

}  // namespace halfstep
