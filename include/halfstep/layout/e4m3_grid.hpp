// The FP8 E4M3 grid, on which steps grow with magnitude, shared by every FP8 layout.
#pragma once

#include <cstdint>
#include <string_view>

#include <halfstep/core/arithmetic.hpp>
#include <halfstep/core/bits.hpp>
#include <halfstep/core/bracket.hpp>
#include <halfstep/core/float8.hpp>
#include <halfstep/core/ieee_float.hpp>
#include <halfstep/layout/concept.hpp>
#include <halfstep/layout/grid_step.hpp>

namespace halfstep {

/// The E4M3 numbers times a scale: 8 steps in each power of two from 2^-6 to 448, and 8 of 2^-9 below. NaN is no code of it.
///
/// Codes are those of a cast of x / scale, clamped to +-448: the sign of zero is kept.
struct e4m3_grid {
  static constexpr std::string_view name = "e4m3";
  using code_type = float8_e4m3;
  using step_type = grid_step;
  static constexpr float last = 448.0f;  ///< the largest number, in units of the scale

  HALFSTEP_HD static step_type unpack(float scale) { return {scale, reciprocal_of(scale)}; }

  /// Returns the codes on either side of `x`, ties to the even one; `t` counts in steps of the power of two that x lies in.
  ///
  /// Beyond the last code both are that code. Precondition: that of `is_near`; the quantizer, which knows the group's range, sees
  /// to it.
  HALFSTEP_HD static bracket<code_type> locate(float x, step_type s) {
    auto const pattern = static_cast<std::uint32_t>(bits(exact_quotient(x, s.scale, s.reciprocal)));
    std::uint32_t const sign = static_cast<std::uint32_t>(bits(x)) >> 24 & 0x80u;  // a quotient may have lost that of -0
    std::uint32_t const unclamped = pattern & 0x7fffffffu;
    std::uint32_t const magnitude = unclamped < last_pattern ? unclamped : last_pattern;
    std::uint32_t const exponent = exponent_of(magnitude);
    float const magic = float_of(exponent + (20u << 23));  // its last bit is worth a step here: the sum rounds, ties to even
    ieee_float const quotient = float_of(magnitude);
    ieee_float const sum = quotient + magic;
    std::uint32_t const steps = static_cast<std::uint32_t>(bits(sum)) - (exponent + (20u << 23));
    std::uint32_t const nearer = steps + ((exponent - first_exponent) >> 20);
    ieee_float const rounded = sum - magic;
    std::uint32_t const outward = nearer + 1u < last_code ? nearer + 1u : last_code;
    std::uint32_t const farther = float_of(unclamped) > rounded || nearer == 0u ? outward : nearer - 1u;
    ieee_float const per_step = float_of(0x7f000000u + (3u << 23) - exponent);
    float const t = static_cast<float>(absolute(quotient - rounded) * per_step);
    return {code_of(nearer | sign), code_of(farther | sign), t};
  }

  /// Returns whether `locate` is exact with this step for every x of the range: no intermediate result overflows, and none that
  /// decides a code is subnormal.
  HALFSTEP_HD static bool is_near(value_range v, step_type s) {
    return s.scale >= 0x1p-90f && s.scale <= 0x1p+120f && v.amax * 0x1p-40f <= s.scale;
  }

  /// Returns what `locate` does, for any finite `x` and any positive finite scale, at the price of a division.
  HALFSTEP_HD static bracket<code_type> locate_far(float x, step_type s) {
    constexpr float beyond = 2.0f * last;
    ieee_float const quotient = ieee_float{x} / s.scale;
    return locate(quotient < -beyond ? -beyond : quotient > beyond ? beyond : static_cast<float>(quotient), {1.0f, 1.0f});
  }

  /// Returns whether `x` lies more than half a step beyond the last code.
  HALFSTEP_HD static bool clips(float x, step_type s) { return absolute(x) > ieee_float{464.0f} * s.scale; }

  HALFSTEP_HD static float decode(code_type code, step_type s) { return static_cast<float>(ieee_float{widen(code)} * s.scale); }

  /// Returns the neighbouring code on the side of `direction`'s sign; the code itself at the end of the grid.
  HALFSTEP_HD static code_type neighbour(code_type code, float direction) {
    int const magnitude = static_cast<int>(code) & 0x7f;
    int const place = (static_cast<int>(code) & 0x80) != 0 ? -magnitude : magnitude;
    constexpr int end = static_cast<int>(last_code);
    int const next = direction > 0.0f ? (place < end ? place + 1 : end) : (place > -end ? place - 1 : -end);
    return static_cast<code_type>(next < 0 ? 0x80 - next : next);
  }

  /// Returns how far the neighbour on the side of `direction`'s sign is, the grid thought to go on behind its end.
  HALFSTEP_HD static float gap(code_type code, float direction, step_type s) {
    auto const magnitude = static_cast<std::uint32_t>(code) & 0x7fu;
    bool const outward = magnitude == 0 || (direction > 0.0f) == ((static_cast<std::uint32_t>(code) & 0x80u) == 0);
    return step_above(outward ? magnitude : magnitude - 1u) * s.scale;
  }

  /// Returns how far the nearer of the two neighbours is.
  HALFSTEP_HD static float least_gap(code_type code, step_type s) {
    auto const magnitude = static_cast<std::uint32_t>(code) & 0x7fu;
    return step_above(magnitude == 0 ? 0u : magnitude - 1u) * s.scale;
  }

  /// Returns the length of the step that `x` lies in.
  HALFSTEP_HD static float spacing(float x, step_type s) {
    auto const magnitude = static_cast<std::uint32_t>(bits(x * s.reciprocal)) & 0x7fffffffu;
    return float_of(exponent_of(magnitude < last_pattern ? magnitude : last_pattern) - (3u << 23)) * s.scale;
  }

  /// Returns the number of the grid with scale 1 that is nearest to `quotient`, the grid thought to go on behind its end.
  HALFSTEP_HD static float nearest_number(float quotient) {
    auto const pattern = static_cast<std::uint32_t>(bits(quotient));
    float const magic = float_of(exponent_of(pattern & 0x7fffffffu) + (20u << 23));
    float const rounded = (float_of(pattern & 0x7fffffffu) + magic) - magic;
    return float_of(static_cast<std::uint32_t>(bits(rounded)) | (pattern & 0x80000000u));
  }

 private:
  static constexpr std::uint32_t last_pattern = 0x43e00000u;    // 448 in FP32
  static constexpr std::uint32_t last_code = 0x7eu;             // without its sign
  static constexpr std::uint32_t first_exponent = 0x3c800000u;  // 2^-6 in FP32: below, steps stay as they are there

  /// Returns the power of two below the FP32 number with the bits `magnitude`, at least 2^-6, as FP32 bits.
  HALFSTEP_HD static std::uint32_t exponent_of(std::uint32_t magnitude) {
    std::uint32_t const exponent = magnitude & 0x7f800000u;
    return exponent < first_exponent ? first_exponent : exponent;
  }

  /// Returns the step from code `magnitude` to the next one, with scale 1.
  HALFSTEP_HD static float step_above(std::uint32_t magnitude) {
    std::uint32_t const field = magnitude >> 3;
    return float_of((field < 1u ? 118u : field + 117u) << 23);  // 2^-9 in the first two powers of two
  }

  HALFSTEP_HD static code_type code_of(std::uint32_t pattern) { return static_cast<code_type>(pattern); }
};

}  // namespace halfstep
