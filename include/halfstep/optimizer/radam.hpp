// Adam with the variance of its adaptive rate rectified.
#pragma once

#include <cmath>
#include <string_view>

#include <halfstep/core/arithmetic.hpp>
#include <halfstep/core/matrix_view.hpp>
#include <halfstep/exec/concept.hpp>
#include <halfstep/kernel/for_each_index.hpp>
#include <halfstep/optimizer/adamw.hpp>

namespace halfstep {

/// Adam's moments; the second is used from the step on where its estimate has a variance (rho_t > 5), rectified; before that
/// x <- x - rate mhat.
///
/// rho = 2 / (1 - b2) - 1, rho_t = rho - 2 t b2^t / (1 - b2^t),
/// r_t = sqrt((rho_t - 4) (rho_t - 2) rho / ((rho - 4) (rho - 2) rho_t)).
/// Source: L. Liu et al., "On the variance of the adaptive learning rate and beyond", ICLR 2020; threshold and epsilon as in
/// common frameworks. Remembers two numbers an element.
struct radam {
  static constexpr std::string_view name = "radam";
  static constexpr float default_rate = 3e-4f;

  float beta1 = 0.9f;
  float beta2 = 0.999f;
  float epsilon = 1e-8f;

  using state_type = adamw::state_type;

  state_type start(extents2 e) const { return adamw{}.start(e); }

  /// Returns r_t of step `t` (the first is 1), or 0 where the second moment says nothing yet.
  double rectification(int t) const {
    double const b2 = beta2;
    double const power = std::pow(b2, t);
    double const rho = 2.0 / (1.0 - b2) - 1.0;
    double const rho_t = rho - 2.0 * t * power / (1.0 - power);
    if (!(rho_t > 5.0)) return 0.0;
    return std::sqrt((rho_t - 4.0) * (rho_t - 2.0) * rho / ((rho - 4.0) * (rho - 2.0) * rho_t));
  }

  /// Throws shape_error.
  template <host_executor Executor>
  void step(Executor const& ex, state_type& state, host_view<float const> g, host_view<float> x, float rate) const {
    require_extents(g.extents(), x.extents(), "halfstep: the gradient given to an optimizer");
    ++state.steps;
    double const rectified = rectification(state.steps);
    auto const length = static_cast<float>(rate / (1.0 - std::pow(static_cast<double>(beta1), state.steps)));
    auto const spread = static_cast<float>(rectified * std::sqrt(1.0 - std::pow(static_cast<double>(beta2), state.steps)));
    for_each_index(ex, x.extents().count(), [&](index_t i) {
      float const slope = g.data()[i];
      float const m = settled(beta1 * state.first[i]) + settled((1.0f - beta1) * slope);
      float const v = settled(beta2 * state.second[i]) + settled((1.0f - beta2) * slope * slope);
      state.first[i] = m;
      state.second[i] = v;
      x.data()[i] -= settled(length * m * (spread > 0.0f ? spread / (std::sqrt(v) + epsilon) : 1.0f));
    });
  }
};

}  // namespace halfstep
