// The GELU activation on the host, in its two forms. The device overloads are in gelu.cuh.
#pragma once

#include <cstdint>

#include <halfstep/core/bits.hpp>
#include <halfstep/core/compiler.hpp>
#include <halfstep/core/ieee_float.hpp>
#include <halfstep/core/matrix_view.hpp>
#include <halfstep/exec/concept.hpp>
#include <halfstep/kernel/for_each_index.hpp>

namespace halfstep {

namespace detail {

/// Returns e^x for x <= 0, off by 2 units in the last place at most; 0 below -86. The same bits on every machine.
///
/// e^f = 1 + f + f^2 p(f) for f up to ln(2) / 2 either way, with the least largest error of a p of degree 5.
HALFSTEP_HD inline float exponential_below_zero(float x) {
  constexpr float magic = 12582912.0f;  // 1.5 * 2^23: adding it rounds to the nearest integer
  bool const is_zero = ieee_float{x} < -86.0f;
  float const near = is_zero ? -86.0f : x;
  float const shifted = fused(near, 1.44269504f, magic);
  ieee_float const power = ieee_float{shifted} - magic;
  ieee_float const f = fused(power, -1.42860677e-6f, fused(power, -0.693145752f, near));
  float p = 1.9917829e-4f;
  p = fused(p, f, 1.3946084e-3f);
  p = fused(p, f, 8.333266e-3f);
  p = fused(p, f, 4.166627e-2f);
  p = fused(p, f, 1.6666667e-1f);
  p = fused(p, f, 0.5f);
  ieee_float const fraction = ieee_float{fused(p, f * f, f)} + 1.0f;
  std::uint32_t const exponent = static_cast<std::uint32_t>(bits(shifted)) - static_cast<std::uint32_t>(bits(magic));
  float const result = float_of(static_cast<std::uint32_t>(bits(fraction)) + (exponent << 23));
  return is_zero ? 0.0f : result;
}

}  // namespace detail

/// The exact form: x Phi(x) with the normal distribution's Phi, off by 1.2e-7 |x| at most. The same bits on every machine.
///
/// With a = x / sqrt(2): erf(a) = a + a p(a^2) up to 0.9277, and erfc(a) = e^(a q(a) - a) beyond, p of degree 5 and q of degree 6
/// with the least largest error of erf and erfc.
struct gelu_erf {
  HALFSTEP_HD float operator()(float x) const {
    ieee_float const a = ieee_float{x} * 0.70710678f;
    ieee_float const t = absolute(a);
    ieee_float const s = a * a;
    float outer = fused(-1.0763351e-5f, t, 3.180614e-4f);
    outer = fused(outer, s, fused(-3.6229254e-3f, t, 2.37202e-2f));
    outer = fused(outer, t, -1.0618763e-1f);
    outer = fused(outer, t, -6.351815e-1f);
    outer = fused(outer, t, -1.2864096e-1f);
    ieee_float const tail = ieee_float{0.5f} * detail::exponential_below_zero(fused(outer, t, -t));
    float inner = -5.807207e-4f;
    inner = fused(inner, s, 4.95048e-3f);
    inner = fused(inner, s, -2.673044e-2f);
    inner = fused(inner, s, 1.1280471e-1f);
    inner = fused(inner, s, -3.761229e-1f);
    inner = fused(inner, s, 1.2837906e-1f);
    ieee_float const near_zero = fused(0.5f, fused(inner, a, a), 0.5f);
    ieee_float const share = t <= 0.927734375f ? near_zero : a > 0.0f ? 1.0f - tail : tail;
    return static_cast<float>(x * share);
  }
};

/// The form with the hyperbolic tangent that diffusion transformers use. The same bits on every machine.
///
/// Source: D. Hendrycks, K. Gimpel, "Gaussian Error Linear Units", 2016.
struct gelu_tanh {
  HALFSTEP_HD float operator()(float x) const {
    ieee_float const square = ieee_float{x} * x;
    ieee_float const twice = x * ieee_float{fused(square, 0.071354816f, 1.5957691f)};  // (1 + tanh(u)) / 2 = 1 / (1 + e^-2u)
    ieee_float const e = detail::exponential_below_zero(static_cast<float>(-ieee_float{absolute(twice)}));
    ieee_float const share = reciprocal_of(1.0f + e);
    return static_cast<float>(x * (twice > 0.0f ? share : e * share));
  }
};

/// Stores `form(x)` for every element; `form` is `gelu_erf` or `gelu_tanh`. `x` and `y` may be the same memory.
///
/// The same bits on every machine. Throws shape_error.
template <host_executor Executor, class Form = gelu_erf>
void gelu(Executor const& ex, host_view<float const> x, host_view<float> y, Form form = {}) {
  require_extents(y.extents(), x.extents(), "halfstep: the output of gelu");
  for_each_index(ex, x.extents().count(), [&](index_t i) { y.data()[i] = form(x.data()[i]); });
}

}  // namespace halfstep
