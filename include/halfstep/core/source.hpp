// The element types that weights come in, and their one way to FP32 and back.
#pragma once

#include <concepts>

#include <halfstep/core/bfloat16.hpp>
#include <halfstep/core/compiler.hpp>
#include <halfstep/core/dtype.hpp>
#include <halfstep/core/float16.hpp>
#include <halfstep/core/float8.hpp>

namespace halfstep {

/// Returns `x` itself.
HALFSTEP_HD constexpr float widen(float x) { return x; }

/// Returns `x` rounded to FP32, the type every kernel computes in.
HALFSTEP_HD constexpr float widen(double x) { return static_cast<float>(x); }

/// The function from FP32 to `T` that `widen` undoes, and the name of `T` in files.
template <class T>
struct source_traits;

/// FP64 weights.
template <>
struct source_traits<double> {
  static constexpr dtype type = dtype::f64;
  HALFSTEP_HD static constexpr double narrow(float x) { return x; }
};

/// FP32 weights.
template <>
struct source_traits<float> {
  static constexpr dtype type = dtype::f32;
  HALFSTEP_HD static constexpr float narrow(float x) { return x; }
};

/// FP16 weights.
template <>
struct source_traits<float16> {
  static constexpr dtype type = dtype::f16;
  HALFSTEP_HD static constexpr float16 narrow(float x) { return to_float16(x); }
};

/// BF16 weights.
template <>
struct source_traits<bfloat16> {
  static constexpr dtype type = dtype::bf16;
  HALFSTEP_HD static constexpr bfloat16 narrow(float x) { return to_bfloat16(x); }
};

/// FP8 E4M3 weights.
template <>
struct source_traits<float8_e4m3> {
  static constexpr dtype type = dtype::f8_e4m3;
  HALFSTEP_HD static constexpr float8_e4m3 narrow(float x) { return to_float8_e4m3(x); }
};

/// FP8 E5M2 weights.
template <>
struct source_traits<float8_e5m2> {
  static constexpr dtype type = dtype::f8_e5m2;
  HALFSTEP_HD static constexpr float8_e5m2 narrow(float x) { return to_float8_e5m2(x); }
};

/// A type of weights that kernels read: `widen` takes it to FP32 and `narrow` back.
template <class T>
concept source = requires(T const x, float f) {
  { widen(x) } -> std::same_as<float>;
  { source_traits<T>::narrow(f) } -> std::same_as<T>;
};

/// Returns `x` as a `T`, ties to even.
template <source T>
HALFSTEP_HD constexpr T narrow(float x) {
  return source_traits<T>::narrow(x);
}

}  // namespace halfstep
