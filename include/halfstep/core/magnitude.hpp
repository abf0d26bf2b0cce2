// Magnitudes as integers: ordered like the numbers, so that a maximum is the same in any order.
#pragma once

#include <cstdint>

#include <halfstep/core/bits.hpp>
#include <halfstep/core/compiler.hpp>
#include <halfstep/core/source.hpp>

namespace halfstep {

/// The bit pattern of |x| for a weight type `T`, as the narrowest integer that orders it.
///
/// `of(x) <= of(y)` exactly where |x| <= |y|; the infinite come after every finite number and NaN after those. `value` goes
/// back to FP32. Types without a specialization are widened first.
template <class T>
struct magnitude {
  using pattern = std::int32_t;
  HALFSTEP_HD static constexpr pattern of(T x) { return bits(widen(x)) & 0x7fffffff; }
  HALFSTEP_HD static constexpr float value(pattern p) { return float_of(static_cast<std::uint32_t>(p)); }
};

namespace detail {

template <class T>
struct magnitude16 {
  using pattern = std::int16_t;
  HALFSTEP_HD static constexpr pattern of(T x) { return static_cast<pattern>(static_cast<std::uint16_t>(x) & 0x7fffu); }
  HALFSTEP_HD static constexpr float value(pattern p) { return widen(static_cast<T>(p)); }
};

template <class T>
struct magnitude8 {
  using pattern = std::uint8_t;
  HALFSTEP_HD static constexpr pattern of(T x) { return static_cast<pattern>(static_cast<std::uint8_t>(x) & 0x7fu); }
  HALFSTEP_HD static constexpr float value(pattern p) { return widen(static_cast<T>(p)); }
};

}  // namespace detail

/// Magnitudes of BF16 numbers in 16 bits.
template <>
struct magnitude<bfloat16> : detail::magnitude16<bfloat16> {};

/// Magnitudes of FP16 numbers in 16 bits.
template <>
struct magnitude<float16> : detail::magnitude16<float16> {};

/// Magnitudes of E4M3 numbers in 8 bits.
template <>
struct magnitude<float8_e4m3> : detail::magnitude8<float8_e4m3> {};

/// Magnitudes of E5M2 numbers in 8 bits.
template <>
struct magnitude<float8_e5m2> : detail::magnitude8<float8_e5m2> {};

/// Returns whether `x` is neither infinite nor NaN; an FP64 number beyond FP32's range counts as infinite.
template <source T>
HALFSTEP_HD constexpr bool is_finite(T x) {
  return (bits(widen(x)) & 0x7f800000) != 0x7f800000;
}

}  // namespace halfstep
