// The GELU activation on the host, in its two forms. The device overloads are in gelu.cuh.
#pragma once

#include <cmath>

#include <halfstep/core/compiler.hpp>
#include <halfstep/core/ieee_float.hpp>
#include <halfstep/core/matrix_view.hpp>
#include <halfstep/exec/concept.hpp>
#include <halfstep/kernel/for_each_index.hpp>

namespace halfstep {

/// The exact form: x Phi(x) with the normal distribution's Phi.
struct gelu_erf {
  HALFSTEP_HD float operator()(float x) const { return 0.5f * x * (1.0f + std::erf(x * 0.70710678f)); }
};

/// The form with the hyperbolic tangent that diffusion transformers use.
///
/// Source: D. Hendrycks, K. Gimpel, "Gaussian Error Linear Units", 2016.
struct gelu_tanh {
  /// 0.5 x (1 + tanh u) is x / (1 + exp(-2 u)): nvcc's -use_fast_math leaves seven digits of exp and three of tanh.
  HALFSTEP_HD float operator()(float x) const {
    float const u = 0.79788456f * (x + 0.044715f * x * x * x);
    return static_cast<float>(ieee_float{x} / (1.0f + std::exp(-2.0f * u)));
  }
};

/// Stores `form(x)` for every element; `form` is `gelu_erf` or `gelu_tanh`. `x` and `y` may be the same memory.
///
/// The last bits depend on the machine's mathematical library. Throws shape_error.
template <host_executor Executor, class Form = gelu_erf>
void gelu(Executor const& ex, host_view<float const> x, host_view<float> y, Form form = {}) {
  require_extents(y.extents(), x.extents(), "halfstep: the output of gelu");
  for_each_index(ex, x.extents().count(), [&](index_t i) { y.data()[i] = form(x.data()[i]); });
}

}  // namespace halfstep
