// Adam with decoupled weight decay.
#pragma once

#include <algorithm>
#include <cmath>
#include <string_view>

#include <halfstep/core/arithmetic.hpp>
#include <halfstep/core/buffer.hpp>
#include <halfstep/core/matrix_view.hpp>
#include <halfstep/exec/concept.hpp>
#include <halfstep/kernel/for_each_index.hpp>

namespace halfstep {

/// m <- b1 m + (1 - b1) g, v <- b2 v + (1 - b2) g^2, x <- (1 - rate decay) x - rate mhat / (sqrt(vhat) + epsilon).
///
/// mhat = m / (1 - b1^t), vhat = v / (1 - b2^t). Source: I. Loshchilov, F. Hutter, "Decoupled weight decay regularization", ICLR
/// 2019. Remembers two numbers an element.
struct adamw {
  static constexpr std::string_view name = "adamw";
  static constexpr float default_rate = 3e-4f;

  float beta1 = 0.9f;
  float beta2 = 0.999f;
  float epsilon = 1e-8f;
  float decay = 0.01f;

  /// The two moments and the number of steps taken.
  struct state_type {
    host_buffer<float> first;
    host_buffer<float> second;
    int steps = 0;
  };

  state_type start(extents2 e) const {
    state_type state{host_buffer<float>(e.count()), host_buffer<float>(e.count()), 0};
    std::fill(state.first.begin(), state.first.end(), 0.0f);
    std::fill(state.second.begin(), state.second.end(), 0.0f);
    return state;
  }

  /// Throws shape_error.
  template <host_executor Executor>
  void step(Executor const& ex, state_type& state, host_view<float const> g, host_view<float> x, float rate) const {
    require_extents(g.extents(), x.extents(), "halfstep: the gradient given to an optimizer");
    ++state.steps;
    auto const length = static_cast<float>(rate / (1.0 - std::pow(static_cast<double>(beta1), state.steps)));
    auto const spread = static_cast<float>(1.0 / std::sqrt(1.0 - std::pow(static_cast<double>(beta2), state.steps)));
    float const kept = 1.0f - rate * decay;
    for_each_index(ex, x.extents().count(), [&](index_t i) {
      float const slope = g.data()[i];
      float const m = settled(beta1 * state.first[i]) + settled((1.0f - beta1) * slope);
      float const v = settled(beta2 * state.second[i]) + settled((1.0f - beta2) * slope * slope);
      state.first[i] = m;
      state.second[i] = v;
      x.data()[i] = settled(kept * x.data()[i]) - length * m / (settled(std::sqrt(v) * spread) + epsilon);
    });
  }
};

}  // namespace halfstep
