// The two FP8 numbers that checkpoints use: E4M3 (finite only) and E5M2.
#pragma once

#include <cstdint>

#include <halfstep/core/bits.hpp>
#include <halfstep/core/compiler.hpp>
#include <halfstep/core/float16.hpp>
#include <halfstep/core/ieee_float.hpp>

namespace halfstep {

/// An FP8 number with 4 exponent and 3 mantissa bits, no infinity, largest 448.
enum class float8_e4m3 : std::uint8_t {};

/// An FP8 number with 5 exponent and 2 mantissa bits, the upper half of an FP16.
enum class float8_e5m2 : std::uint8_t {};

/// Returns the same number in FP32; exact.
HALFSTEP_HD constexpr float widen(float8_e4m3 x) {
  auto const pattern = static_cast<std::uint32_t>(x);
  std::uint32_t const magnitude = (pattern & 0x7fu) << 20;
  std::uint32_t const small = static_cast<std::uint32_t>(bits(ieee_float{float_of(magnitude + 0x3c800000u)} - 0x1p-6f));
  std::uint32_t const finite = magnitude < 0x00800000u ? small : magnitude + 0x3c000000u;
  return float_of((magnitude == 0x07f00000u ? 0x7fc00000u : finite) | (pattern & 0x80u) << 24);
}

/// Returns the same number in FP32; exact.
HALFSTEP_HD constexpr float widen(float8_e5m2 x) { return widen(static_cast<float16>(static_cast<std::uint32_t>(x) << 8)); }

/// Returns `x` in E4M3, ties to even; magnitudes beyond 448, the infinite too, become 448, NaN stays NaN.
HALFSTEP_HD constexpr float8_e4m3 to_float8_e4m3(float x) {
  auto const pattern = static_cast<std::uint32_t>(bits(x));
  std::uint32_t const magnitude = pattern & 0x7fffffffu;
  std::uint32_t const normal = (magnitude - 0x3c000000u + 0x7ffffu + ((magnitude >> 20) & 1u)) >> 20;
  // Adding 2^14 aligns a magnitude below 2^-6 so that its last bit is worth 2^-9.
  ieee_float const aligned = ieee_float{float_of(magnitude < 0x3c800000u ? magnitude : 0u)} + 16384.0f;
  auto const small = static_cast<std::uint32_t>(bits(aligned)) - 0x46800000u;
  std::uint32_t const finite = magnitude < 0x3c800000u ? small : normal;
  std::uint32_t const special = magnitude > 0x7f800000u ? 0x7fu : 0x7eu;
  return static_cast<float8_e4m3>((magnitude >= 0x43e00000u ? special : finite) | (pattern >> 24 & 0x80u));
}

/// Returns `x` in E5M2, ties to even; beyond 57344 + half a step it is infinite, NaN stays NaN.
HALFSTEP_HD constexpr float8_e5m2 to_float8_e5m2(float x) {
  auto const pattern = static_cast<std::uint32_t>(bits(x));
  std::uint32_t const magnitude = pattern & 0x7fffffffu;
  std::uint32_t const normal = (magnitude - 0x38000000u + 0xfffffu + ((magnitude >> 21) & 1u)) >> 21;
  // Adding 2^7 aligns a magnitude below 2^-14 so that its last bit is worth 2^-16.
  ieee_float const aligned = ieee_float{float_of(magnitude < 0x38800000u ? magnitude : 0u)} + 128.0f;
  auto const small = static_cast<std::uint32_t>(bits(aligned)) - 0x43000000u;
  std::uint32_t const finite = magnitude < 0x38800000u ? small : normal;
  std::uint32_t const special = magnitude > 0x7f800000u ? 0x7eu : 0x7cu;
  return static_cast<float8_e5m2>((magnitude >= 0x47700000u ? special : finite) | (pattern >> 24 & 0x80u));
}

}  // namespace halfstep
