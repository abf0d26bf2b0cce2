// The element types that weights come in, and their one way to FP32 and back.
#pragma once

#include <concepts>
#include <string>
#include <type_traits>

#include <halfstep/core/bfloat16.hpp>
#include <halfstep/core/compiler.hpp>
#include <halfstep/core/dtype.hpp>
#include <halfstep/core/error.hpp>
#include <halfstep/core/float16.hpp>
#include <halfstep/core/float8.hpp>
#include <halfstep/core/ieee_float.hpp>
#include <halfstep/core/type_list.hpp>

namespace halfstep {

/// Returns `x` itself.
HALFSTEP_HD constexpr float widen(float x) { return x; }

/// Returns `x` rounded to FP32, the type every kernel computes in.
HALFSTEP_HD constexpr float widen(double x) { return to_float32(x); }

/// The function from FP32 to `T` that `widen` undoes, and the name of `T` in files.
template <class T>
struct source_traits;

/// FP64 weights.
template <>
struct source_traits<double> {
  static constexpr dtype type = dtype::f64;
  HALFSTEP_HD static constexpr double narrow(float x) { return to_float64(x); }
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

/// The types that the library itself can read weights in.
using source_types = type_list<double, float, float16, bfloat16, float8_e4m3, float8_e5m2>;

/// Calls `f(std::type_identity<T>{})` for the source type called `type`. Throws value_error where weights cannot come in it.
template <class F>
void with_source_type(dtype type, F&& f) {
  bool found = false;
  source_types::for_each([&]<class T>() {
    if (source_traits<T>::type != type) return;
    found = true;
    f(std::type_identity<T>{});
  });
  if (!found)
    throw value_error(stated("weights.unknown_type",
                             "halfstep: weights come in F64, F32, F16, BF16, F8_E4M3 and F8_E5M2, not in {type}",
                             {{"type", name_of(type)}}));
}

}  // namespace halfstep
