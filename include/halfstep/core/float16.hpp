// The FP16 number of IEEE 754.
#pragma once

#include <cstdint>

#include <halfstep/core/bits.hpp>
#include <halfstep/core/compiler.hpp>
#include <halfstep/core/ieee_float.hpp>

namespace halfstep {

/// An FP16 number, as its 16 bits.
enum class float16 : std::uint16_t {};

/// Returns the same number in FP32; exact, subnormal numbers too.
HALFSTEP_HD constexpr float widen(float16 x) {
  auto const pattern = static_cast<std::uint32_t>(x);
  std::uint32_t const magnitude = (pattern & 0x7fffu) << 13;
  std::uint32_t const exponent = magnitude & 0x0f800000u;
  std::uint32_t const normal = magnitude + (exponent == 0x0f800000u ? 0x70000000u : 0x38000000u);
  // A subnormal number m * 2^-24 is the fraction that 2^-14 + m * 2^-24 has above 2^-14.
  std::uint32_t const small = static_cast<std::uint32_t>(bits(ieee_float{float_of(magnitude + 0x38800000u)} - 0x1p-14f));
  return float_of((exponent == 0 ? small : normal) | (pattern & 0x8000u) << 16);
}

/// Returns `x` in FP16, ties to even; beyond 65504 + half a step it is infinite, NaN stays NaN.
HALFSTEP_HD constexpr float16 to_float16(float x) {
  auto const pattern = static_cast<std::uint32_t>(bits(x));
  std::uint32_t const magnitude = pattern & 0x7fffffffu;
  std::uint32_t const normal = (magnitude - 0x38000000u + 0xfffu + ((magnitude >> 13) & 1u)) >> 13;
  // Adding 0.5 aligns a magnitude below 2^-14 so that its last bit is worth 2^-24.
  ieee_float const aligned = ieee_float{float_of(magnitude < 0x38800000u ? magnitude : 0u)} + 0.5f;
  auto const small = static_cast<std::uint32_t>(bits(aligned)) - 0x3f000000u;
  std::uint32_t const finite = magnitude < 0x38800000u ? small : normal;
  std::uint32_t const special = magnitude > 0x7f800000u ? 0x7e00u : 0x7c00u;
  return static_cast<float16>((magnitude >= 0x47800000u ? special : finite) | (pattern >> 16 & 0x8000u));
}

}  // namespace halfstep
