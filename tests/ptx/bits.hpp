// Bit patterns as registers hold them, and loops over the lanes of a warp.
#pragma once

#include <array>
#include <bit>
#include <cstdint>
#include <type_traits>

namespace ptx {

inline constexpr int warp_size = 32;

/// Which lanes of a warp: bit l is lane l.
using lane_mask = std::uint32_t;
inline constexpr lane_mask all_lanes = 0xffffffffu;

/// One register of a warp: the values of its 32 lanes, each zero-extended from the register's width.
using lane_values = std::array<std::uint64_t, warp_size>;

/// Returns `bits` ones; 64 or more: all ones.
constexpr std::uint64_t ones(int bits) { return bits >= 64 ? ~std::uint64_t{0} : (std::uint64_t{1} << bits) - 1; }

/// Returns the low `bits` bits of `v` as a two's-complement number. Precondition: 1 <= bits <= 64.
constexpr std::int64_t sign_extended(std::uint64_t v, int bits) {
  return static_cast<std::int64_t>(v << (64 - bits)) >> (64 - bits);
}

/// Reads a number of type `T` from the low bits of a register.
template <class T>
constexpr T number_of(std::uint64_t bits) {
  if constexpr (std::is_same_v<T, float>)
    return std::bit_cast<float>(static_cast<std::uint32_t>(bits));
  else if constexpr (std::is_same_v<T, double>)
    return std::bit_cast<double>(bits);
  else
    return static_cast<T>(bits);
}

/// Returns the bits of a result. A NaN of FP32 is the canonical one, 0x7fffffff, as the ISA says; signed integers are
/// sign-extended.
template <class T>
constexpr std::uint64_t bits_of(T x) {
  if constexpr (std::is_same_v<T, float>)
    return x != x ? 0x7fffffffu : std::bit_cast<std::uint32_t>(x);
  else if constexpr (std::is_same_v<T, double>)
    return std::bit_cast<std::uint64_t>(x);
  else
    return static_cast<std::uint64_t>(static_cast<std::conditional_t<std::is_signed_v<T>, std::int64_t, std::uint64_t>>(x));
}

/// Calls f(lane) for every lane of `lanes`, the lowest first.
template <class F>
void for_each_lane(lane_mask lanes, F&& f) {
  if (lanes == all_lanes) {
    for (int l = 0; l < warp_size; ++l) f(l);
    return;
  }
  for (lane_mask rest = lanes; rest != 0; rest &= rest - 1) f(std::countr_zero(rest));
}

}  // namespace ptx
