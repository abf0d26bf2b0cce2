// The BF16 number: the upper half of an FP32.
#pragma once

#include <cstdint>

#include <halfstep/core/bits.hpp>
#include <halfstep/core/compiler.hpp>

namespace halfstep {

/// A BF16 number, as its 16 bits.
enum class bfloat16 : std::uint16_t {};

/// Returns the same number in FP32; exact.
HALFSTEP_HD constexpr float widen(bfloat16 x) { return float_of(static_cast<std::uint32_t>(x) << 16); }

/// Returns `x` in BF16, ties to even; NaN stays NaN and becomes quiet.
HALFSTEP_HD constexpr bfloat16 to_bfloat16(float x) {
  auto const pattern = static_cast<std::uint32_t>(bits(x));
  std::uint32_t const rounded = (pattern + 0x7fffu + ((pattern >> 16) & 1u)) >> 16;
  std::uint32_t const quiet = (pattern >> 16) | 0x40u;
  return static_cast<bfloat16>((pattern & 0x7fffffffu) > 0x7f800000u ? quiet : rounded);
}

}  // namespace halfstep
