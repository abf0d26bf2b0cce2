// The uniform INT8 grid, symmetric about zero, shared by every INT8 layout.
#pragma once

#include <cmath>
#include <cstdint>

#include <halfstep/core/arithmetic.hpp>
#include <halfstep/core/bits.hpp>
#include <halfstep/core/bracket.hpp>
#include <halfstep/layout/concept.hpp>

namespace halfstep {

/// A group's step, prepared once for all of its elements.
struct grid_step {
  float scale;
  float reciprocal;  ///< 1 / scale, correctly rounded
};

/// The symmetric integer grid {-Limit, .., Limit} * scale.
template <int Limit>
struct symmetric_grid {
  static_assert(0 < Limit && Limit <= 127, "halfstep: an INT8 grid has at most 127 steps on either side");
  using code_type = std::int8_t;
  using step_type = grid_step;

  HALFSTEP_HD static step_type unpack(float scale) { return {scale, 1.0f / scale}; }

  /// Returns the codes on either side of `x`, ties to the even one.
  ///
  /// Beyond the last code both are that code. Precondition: |x / scale| < 2^22; the quantizer, which knows the group's
  /// range, sees to it.
  HALFSTEP_HD static bracket<code_type> locate(float x, step_type s) {
    constexpr float magic = 12582912.0f;  // 1.5 * 2^23: adding it rounds to the nearest integer, ties to even
    float const quotient = exact_quotient(x, s.scale, s.reciprocal);
    float const shifted = quotient + magic;
    float const residue = quotient - (shifted - magic);
    int const nearer = bits(shifted) - bits(magic);
    int const farther = residue > 0 ? nearer + 1 : nearer - 1;
    return {clamp(nearer), clamp(farther), std::fabs(residue)};
  }

  HALFSTEP_HD static float decode(code_type code, step_type s) { return static_cast<float>(code) * s.scale; }

 protected:
  /// Returns the scale that puts the largest magnitude on the last code, or `floor` where that is larger.
  HALFSTEP_HD static float fit_scale(value_range v, float floor) {
    float const scale = v.amax / static_cast<float>(Limit);
    return scale > floor ? scale : floor;
  }

 private:
  HALFSTEP_HD static code_type clamp(int code) {
    return static_cast<code_type>(code < -Limit ? -Limit : code > Limit ? Limit : code);
  }
};

}  // namespace halfstep
