// FP32 arithmetic that nvcc's -use_fast_math does not reach.
#pragma once

#include <cmath>
#include <cstdint>

#include <halfstep/core/bits.hpp>
#include <halfstep/core/compiler.hpp>

namespace halfstep {

#if defined(__CUDA_ARCH__)

namespace detail {

__device__ inline float added(float a, float b) {
  float result;
  asm("add.rn.f32 %0, %1, %2;" : "=f"(result) : "f"(a), "f"(b));
  return result;
}
__device__ inline float subtracted(float a, float b) {
  float result;
  asm("sub.rn.f32 %0, %1, %2;" : "=f"(result) : "f"(a), "f"(b));
  return result;
}
__device__ inline float multiplied(float a, float b) {
  float result;
  asm("mul.rn.f32 %0, %1, %2;" : "=f"(result) : "f"(a), "f"(b));
  return result;
}
__device__ inline float divided(float a, float b) {
  float result;
  asm("div.rn.f32 %0, %1, %2;" : "=f"(result) : "f"(a), "f"(b));
  return result;
}
__device__ inline float inverted(float x) {
  float result;
  asm("rcp.rn.f32 %0, %1;" : "=f"(result) : "f"(x));
  return result;
}
__device__ inline float multiplied_and_added(float a, float b, float c) {
  float result;
  asm("fma.rn.f32 %0, %1, %2, %3;" : "=f"(result) : "f"(a), "f"(b), "f"(c));
  return result;
}
__device__ inline float negated(float x) {
  float result;
  asm("neg.f32 %0, %1;" : "=f"(result) : "f"(x));
  return result;
}
__device__ inline float without_sign(float x) {
  float result;
  asm("abs.f32 %0, %1;" : "=f"(result) : "f"(x));
  return result;
}
__device__ inline bool is_below(float a, float b) {
  std::uint32_t result;
  asm("{\n\t.reg .pred p;\n\tsetp.lt.f32 p, %1, %2;\n\tselp.u32 %0, 1, 0, p;\n\t}" : "=r"(result) : "f"(a), "f"(b));
  return result != 0;
}
__device__ inline bool is_at_most(float a, float b) {
  std::uint32_t result;
  asm("{\n\t.reg .pred p;\n\tsetp.le.f32 p, %1, %2;\n\tselp.u32 %0, 1, 0, p;\n\t}" : "=r"(result) : "f"(a), "f"(b));
  return result != 0;
}
__device__ inline float shortened(double x) {
  float result;
  asm("cvt.rn.f32.f64 %0, %1;" : "=f"(result) : "d"(x));
  return result;
}
__device__ inline double lengthened(float x) {
  double result;
  asm("cvt.f64.f32 %0, %1;" : "=d"(result) : "f"(x));
  return result;
}

}  // namespace detail

/// An FP32 number whose operators round as IEEE 754 says, subnormal numbers too, and never fuse with one another, whatever nvcc
/// was told. On the host it is `float`. For what is local to a function: the two are different types.
class ieee_float {
 public:
  HALFSTEP_HD constexpr ieee_float(float x) : x_(x) {}
  HALFSTEP_HD constexpr explicit operator float() const { return x_; }

  HALFSTEP_HD friend constexpr ieee_float operator+(ieee_float a, ieee_float b) {
    return __builtin_is_constant_evaluated() ? a.x_ + b.x_ : detail::added(a.x_, b.x_);
  }
  HALFSTEP_HD friend constexpr ieee_float operator-(ieee_float a, ieee_float b) {
    return __builtin_is_constant_evaluated() ? a.x_ - b.x_ : detail::subtracted(a.x_, b.x_);
  }
  HALFSTEP_HD friend constexpr ieee_float operator*(ieee_float a, ieee_float b) {
    return __builtin_is_constant_evaluated() ? a.x_ * b.x_ : detail::multiplied(a.x_, b.x_);
  }
  HALFSTEP_HD friend constexpr ieee_float operator/(ieee_float a, ieee_float b) {
    return __builtin_is_constant_evaluated() ? a.x_ / b.x_ : detail::divided(a.x_, b.x_);
  }
  HALFSTEP_HD friend ieee_float operator-(ieee_float x) { return detail::negated(x.x_); }

  HALFSTEP_HD friend constexpr bool operator<(ieee_float a, ieee_float b) {
    return __builtin_is_constant_evaluated() ? a.x_ < b.x_ : detail::is_below(a.x_, b.x_);
  }
  HALFSTEP_HD friend constexpr bool operator>(ieee_float a, ieee_float b) { return b < a; }
  HALFSTEP_HD friend constexpr bool operator<=(ieee_float a, ieee_float b) {
    return __builtin_is_constant_evaluated() ? a.x_ <= b.x_ : detail::is_at_most(a.x_, b.x_);
  }
  HALFSTEP_HD friend constexpr bool operator>=(ieee_float a, ieee_float b) { return b <= a; }

 private:
  float x_;
};

/// Returns the bits of `x`.
HALFSTEP_HD constexpr std::int32_t bits(ieee_float x) { return bits(static_cast<float>(x)); }

#else

using ieee_float = float;  ///< rounds as IEEE 754 says already

#endif

/// Returns 1 / x, correctly rounded.
HALFSTEP_HD inline float reciprocal_of(ieee_float x) {
#if defined(__CUDA_ARCH__)
  return detail::inverted(static_cast<float>(x));
#else
  return 1.0f / x;
#endif
}

/// Returns |x|.
HALFSTEP_HD inline float absolute(ieee_float x) {
#if defined(__CUDA_ARCH__)
  return detail::without_sign(static_cast<float>(x));
#else
  return std::fabs(x);
#endif
}

/// Returns a * b + c, rounded once on every machine: slow where the target has no FMA.
HALFSTEP_HD inline float fused(ieee_float a, ieee_float b, ieee_float c) {
#if defined(__CUDA_ARCH__)
  return detail::multiplied_and_added(static_cast<float>(a), static_cast<float>(b), static_cast<float>(c));
#else
  return std::fma(a, b, c);
#endif
}

/// Returns `x` rounded to FP32, ties to even.
HALFSTEP_HD constexpr float to_float32(double x) {
#if defined(__CUDA_ARCH__)
  return __builtin_is_constant_evaluated() ? static_cast<float>(x) : detail::shortened(x);
#else
  return static_cast<float>(x);
#endif
}

/// Returns `x` in FP64.
HALFSTEP_HD constexpr double to_float64(float x) {
#if defined(__CUDA_ARCH__)
  return __builtin_is_constant_evaluated() ? static_cast<double>(x) : detail::lengthened(x);
#else
  return static_cast<double>(x);
#endif
}

}  // namespace halfstep
