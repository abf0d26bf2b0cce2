// Reinterpreting a value's bits, on host and device, without a compiler flag.
#pragma once

#include <cstdint>

#include <halfstep/core/compiler.hpp>

namespace halfstep {

/// Returns the bits of `x`.
HALFSTEP_HD constexpr std::int32_t bits(float x) { return __builtin_bit_cast(std::int32_t, x); }

/// Returns the bits of `x`.
HALFSTEP_HD constexpr std::int64_t bits(double x) { return __builtin_bit_cast(std::int64_t, x); }

/// Returns the float whose bits are `pattern`.
HALFSTEP_HD constexpr float float_of(std::uint32_t pattern) { return __builtin_bit_cast(float, pattern); }

}  // namespace halfstep
