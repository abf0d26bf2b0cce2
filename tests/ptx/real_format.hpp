// Reals of any width up to FP32: rounding to them, and reading them.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>

#include "scalar.hpp"

namespace ptx {

/// PTX's rounding modifiers of reals: .rn, .rz, .rm, .rp, and .rna (ties away from zero).
enum class rounding { nearest, to_zero, down, up, nearest_away };

/// How a real is laid out: sign, exponent, mantissa.
struct real_format {
  int mantissa_bits;       ///< without the leading one
  int smallest;            ///< the exponent of the smallest normal number
  double largest;          ///< finite
  std::uint32_t infinity;  ///< bits; where there is none, of the NaN
  std::uint32_t nan;       ///< the canonical one
  int bits;
};

/// Returns the layout of a type of at most 32 bits.
constexpr real_format format_of(scalar type) {
  switch (type.real_form) {
    case scalar::form::bf16:
      return {7, -126, 0x1.fep127, 0x7f80, 0x7fff, 16};
    case scalar::form::e4m3:
      return {3, -6, 448.0, 0x7f, 0x7f, 8};
    case scalar::form::e5m2:
      return {2, -14, 57344.0, 0x7c, 0x7f, 8};
    case scalar::form::tf32:
      return {10, -126, 0x1.ffcp127, 0x7f800000, 0x7fffffff, 32};
    case scalar::form::ieee:
      break;
  }
  return type.bits == 16 ? real_format{10, -14, 65504.0, 0x7c00, 0x7fff, 16}
                         : real_format{23, -126, 0x1.fffffep127, 0x7f800000, 0x7fffffff, 32};
}

/// Returns `x` rounded to a whole number.
inline double rounded(double x, rounding mode) {
  switch (mode) {
    case rounding::nearest:
      return std::nearbyint(x);  // the machine runs in the mode "to nearest, ties to even"
    case rounding::to_zero:
      return std::trunc(x);
    case rounding::down:
      return std::floor(x);
    case rounding::up:
      return std::ceil(x);
    case rounding::nearest_away:
      return std::round(x);
  }
  return x;
}

/// Beyond the largest number: infinity as IEEE 754 says for the mode, or the largest (.satfinite).
enum class overflow { infinity, largest };

/// Returns the bits of `x` in a format of at most 32 bits.
inline std::uint32_t narrowed(double x, real_format f, rounding mode, overflow beyond = overflow::infinity) {
  if (x != x) return f.nan;
  std::uint32_t const sign = std::signbit(x) ? 1u << (f.bits - 1) : 0;
  int const spare = f.bits == 32 ? 23 - f.mantissa_bits : 0;  // tf32 is kept in the upper bits of 32
  double const magnitude = std::fabs(x);
  bool const towards_larger = mode == rounding::up ? sign == 0 : mode == rounding::down && sign != 0;
  rounding const of_magnitude =
      mode == rounding::up || mode == rounding::down ? (towards_larger ? rounding::up : rounding::to_zero) : mode;
  std::uint32_t const largest = [&] {
    int const exponent = std::ilogb(f.largest);
    auto const whole = static_cast<std::uint32_t>(std::ldexp(f.largest, f.mantissa_bits - exponent));
    return ((static_cast<std::uint32_t>(exponent - f.smallest) << f.mantissa_bits) + whole) << spare;
  }();
  std::uint32_t const past = beyond == overflow::largest ? largest : f.infinity;
  if (std::isinf(x)) return sign | past;
  if (magnitude == 0) return sign;
  int const exponent = std::max(std::ilogb(magnitude), f.smallest);
  double const steps = rounded(std::ldexp(magnitude, f.mantissa_bits - exponent), of_magnitude);
  double const result = std::ldexp(steps, exponent - f.mantissa_bits);
  if (result > f.largest) return sign | (of_magnitude == rounding::to_zero ? largest : past);
  // a subnormal number has no leading one, and exponent - smallest is 0 for it: the sum below is right for both
  auto const whole = static_cast<std::uint32_t>(steps);
  return sign | ((static_cast<std::uint32_t>(exponent - f.smallest) << f.mantissa_bits) + whole) << spare;
}

/// Returns the number that `bits` stands for.
inline double widened(std::uint32_t bits, real_format f) {
  int const spare = f.bits == 32 ? 23 - f.mantissa_bits : 0;
  double const sign = bits >> (f.bits - 1) & 1 ? -1.0 : 1.0;
  std::uint32_t const magnitude = bits & ((std::uint32_t{1} << (f.bits - 1)) - 1);
  if (f.infinity == f.nan ? magnitude == f.nan : magnitude > f.infinity) return std::nan("");
  if (magnitude == f.infinity) return sign * INFINITY;
  std::uint32_t const exponent = magnitude >> spare >> f.mantissa_bits;
  std::uint32_t const mantissa = magnitude >> spare & ((1u << f.mantissa_bits) - 1);
  if (exponent == 0) return sign * std::ldexp(mantissa, f.smallest - f.mantissa_bits);
  return sign * std::ldexp(mantissa + (1u << f.mantissa_bits), static_cast<int>(exponent) - 1 + f.smallest - f.mantissa_bits);
}

}  // namespace ptx
