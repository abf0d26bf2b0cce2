// What one instruction of the device does for several values or instead of several: packed conversions, and the same on the host.
#pragma once

#include <cstdint>
#include <cstring>
#include <type_traits>

#include <halfstep/core/bfloat16.hpp>
#include <halfstep/core/bits.hpp>
#include <halfstep/core/compiler.hpp>
#include <halfstep/core/float16.hpp>
#include <halfstep/core/float8.hpp>
#include <halfstep/core/ieee_float.hpp>
#include <halfstep/core/magnitude.hpp>
#include <halfstep/core/source.hpp>
#include <halfstep/device/vector_access.cuh>

namespace halfstep::detail {

/// The bytes of a vector as words.
template <int Count>
struct words {
  std::uint32_t word[Count];
};

template <class T, int Width>
HALFSTEP_HD auto words_of(vector_of<T, Width> const& x) {
  static_assert(vector_of<T, Width>::bytes % 4 == 0);
  words<vector_of<T, Width>::bytes / 4> w;
  std::memcpy(&w, &x, sizeof(w));
  return w;
}

/// Whether a type's magnitudes are ordered like unsigned integers of 16 bits.
template <class T>
inline constexpr bool is_half_word = std::is_same_v<T, bfloat16> || std::is_same_v<T, float16>;

/// Returns the lowest bytes of four words, that of `a` lowest.
HALFSTEP_HD inline std::uint32_t low_bytes(std::uint32_t a, std::uint32_t b, std::uint32_t c, std::uint32_t d) {
#if defined(__CUDA_ARCH__)
  return __byte_perm(__byte_perm(a, b, 0x0040), __byte_perm(c, d, 0x0040), 0x5410);
#else
  return (a & 0xffu) | (b & 0xffu) << 8 | (c & 0xffu) << 16 | d << 24;
#endif
}

/// Returns byte `I` of four signed bytes as a float: 128 more than it are the last bits of 2^23, which is taken off again.
///
/// `biased` holds the bytes with their signs turned over, `bytes ^ 0x80808080`. Exact.
template <int I>
HALFSTEP_HD ieee_float signed_byte(std::uint32_t biased) {
#if defined(__CUDA_ARCH__)
  std::uint32_t const pattern = __byte_perm(biased, 0x4b000000u, 0x7650 + I);
#else
  std::uint32_t const pattern = 0x4b000000u | (biased >> 8 * I & 0xffu);
#endif
  return ieee_float{float_of(pattern)} - 8388736.0f;
}

/// Returns two numbers rounded to `Target`, a type of 16 bits, ties to even; `low` in the lower half. A NaN stays NaN.
template <class Target>
HALFSTEP_HD std::uint32_t narrow_pair(float low, float high) {
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 800
  std::uint32_t pair;
  if constexpr (std::is_same_v<Target, bfloat16>)
    asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(pair) : "f"(high), "f"(low));
  else
    asm("cvt.rn.f16x2.f32 %0, %1, %2;" : "=r"(pair) : "f"(high), "f"(low));
  return pair;
#else
  return static_cast<std::uint32_t>(narrow<Target>(low)) | static_cast<std::uint32_t>(narrow<Target>(high)) << 16;
#endif
}

#if defined(__CUDA_ARCH__)
/// Stores the two numbers of FP16 in a word in FP32.
__device__ inline void widen_pair(std::uint32_t pair, float& low, float& high) {
  asm("{.reg .f16 low, high; mov.b32 {low, high}, %2; cvt.f32.f16 %0, low; cvt.f32.f16 %1, high;}"
      : "=f"(low), "=f"(high)
      : "r"(pair));
}

/// Stores two numbers of FP8, each in the upper byte of a half word, in FP32: E5M2 is the upper byte of FP16, and E4M3 with its
/// magnitude a place lower is 2^-8 of its number.
template <class Source>
__device__ void widen_upper_bytes(std::uint32_t bytes, float& low, float& high) {
  if constexpr (std::is_same_v<Source, float8_e5m2>) {
    widen_pair(bytes, low, high);
  } else {
    widen_pair((bytes & 0x7f007f00u) >> 1 | (bytes & 0x80008000u), low, high);
    low = static_cast<float>(ieee_float{low} * 256.0f);
    high = static_cast<float>(ieee_float{high} * 256.0f);
    float const none = float_of(0x7fc00000u);
    if ((bytes & 0x7f00u) == 0x7f00u) low = none;
    if ((bytes & 0x7f000000u) == 0x7f000000u) high = none;
  }
}
#endif

/// Stores a vector's elements in FP32; exact where they are no wider, but for which NaN a NaN of FP8 or FP16 becomes.
template <class Source, int Width>
HALFSTEP_HD void widen_vector(vector_of<Source, Width> const& x, float (&y)[Width]) {
  if constexpr (std::is_same_v<Source, bfloat16> && Width % 2 == 0) {
    auto const w = words_of(x);
    HALFSTEP_UNROLL
    for (int k = 0; k < Width / 2; ++k) {
      y[2 * k] = float_of(w.word[k] << 16);
      y[2 * k + 1] = float_of(w.word[k] & 0xffff0000u);
    }
#if defined(__CUDA_ARCH__)
  } else if constexpr (std::is_same_v<Source, float16> && Width % 2 == 0) {
    auto const w = words_of(x);
    HALFSTEP_UNROLL
    for (int k = 0; k < Width / 2; ++k) widen_pair(w.word[k], y[2 * k], y[2 * k + 1]);
  } else if constexpr ((std::is_same_v<Source, float8_e4m3> || std::is_same_v<Source, float8_e5m2>)&&Width % 4 == 0) {
    auto const w = words_of(x);
    HALFSTEP_UNROLL
    for (int k = 0; k < Width / 4; ++k) {
      widen_upper_bytes<Source>(__byte_perm(w.word[k], 0, 0x1404), y[4 * k], y[4 * k + 1]);
      widen_upper_bytes<Source>(__byte_perm(w.word[k], 0, 0x3424), y[4 * k + 2], y[4 * k + 3]);
    }
#endif
  } else {
    HALFSTEP_UNROLL
    for (int k = 0; k < Width; ++k) y[k] = halfstep::widen(x.value[k]);
  }
}

/// Returns the larger of the lower halves, and of the upper ones.
HALFSTEP_HD inline std::uint32_t larger_halves(std::uint32_t a, std::uint32_t b) {
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 900
  std::uint32_t larger;
  asm("max.u16x2 %0, %1, %2;" : "=r"(larger) : "r"(a), "r"(b));
  return larger;
#else
  std::uint32_t const low_a = a & 0xffffu, low_b = b & 0xffffu, high_a = a & 0xffff0000u, high_b = b & 0xffff0000u;
  return (low_a > low_b ? low_a : low_b) | (high_a > high_b ? high_a : high_b);
#endif
}

/// Returns 1 / x, correctly rounded, for x from 2^-126 to 2^125: what the device's division does for them, without its branch for
/// all others. Where x is infinite or NaN the result means nothing.
HALFSTEP_HD inline float usual_reciprocal(float x) {
#if defined(__CUDA_ARCH__)
  float reciprocal;
  asm("{.reg .f32 near, off; rcp.approx.ftz.f32 near, %1; fma.rn.f32 off, %1, near, 0fBF800000; neg.f32 off, off; "
      "fma.rn.f32 %0, near, off, near;}"
      : "=f"(reciprocal)
      : "f"(x));
  return reciprocal;
#else
  return 1.0f / x;
#endif
}

/// Returns the number from `least` to `largest` that is nearest to x; `largest` for NaN.
HALFSTEP_HD inline float limited(float x, float least, float largest) {
#if defined(__CUDA_ARCH__)
  asm("min.f32 %0, %0, %1; max.f32 %0, %0, %2;" : "+f"(x) : "f"(largest), "f"(least));
  return x;
#else
  float const below = x < largest ? x : largest;
  return below > least ? below : least;
#endif
}

/// Returns |x| where it is larger than `magnitude`, which is not negative, or NaN; else `magnitude`.
HALFSTEP_HD inline float larger_magnitude(float magnitude, float x) {
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 800
  float larger;
  asm("{.reg .f32 y; abs.f32 y, %2; max.NaN.f32 %0, %1, y;}" : "=f"(larger) : "f"(magnitude), "f"(x));
  return larger;
#else
  std::int32_t const pattern = bits(x) & 0x7fffffff;
  return pattern > bits(magnitude) ? float_of(static_cast<std::uint32_t>(pattern)) : magnitude;
#endif
}

/// The largest magnitude among vectors, as a pattern of `magnitude<Source>`: two at a time where two fit into a register.
template <class Source>
class running_largest {
 public:
  template <int Width>
  HALFSTEP_HD void add(vector_of<Source, Width> const& x) {
    if constexpr (is_half_word<Source> && Width % 2 == 0) {
      auto const w = words_of(x);
      HALFSTEP_UNROLL
      for (int k = 0; k < Width / 2; ++k) largest_ = larger_halves(largest_, w.word[k] & 0x7fff7fffu);
    } else {
      HALFSTEP_UNROLL
      for (int k = 0; k < Width; ++k) {
        auto const p = static_cast<std::uint32_t>(magnitude<Source>::of(x.value[k]));
        largest_ = is_half_word<Source> ? larger_halves(largest_, p) : p > largest_ ? p : largest_;
      }
    }
  }

  /// Returns the largest pattern, 0 where nothing was added.
  HALFSTEP_HD std::uint32_t pattern() const {
    if constexpr (is_half_word<Source>) {
      std::uint32_t const low = largest_ & 0xffffu, high = largest_ >> 16;
      return low > high ? low : high;
    } else {
      return largest_;
    }
  }

 private:
  std::uint32_t largest_ = 0;
};

/// Returns the number that a pattern of `running_largest` stands for.
template <class Source>
HALFSTEP_HD float magnitude_of(std::uint32_t pattern) {
  return magnitude<Source>::value(static_cast<typename magnitude<Source>::pattern>(pattern));
}

}  // namespace halfstep::detail
