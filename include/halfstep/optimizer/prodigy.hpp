// Adam steps whose length finds itself, averaged instead of scheduled.
#pragma once

#include <algorithm>
#include <cmath>
#include <numeric>
#include <string_view>
#include <vector>

#include <halfstep/core/arithmetic.hpp>
#include <halfstep/core/buffer.hpp>
#include <halfstep/core/matrix_view.hpp>
#include <halfstep/exec/concept.hpp>
#include <halfstep/kernel/for_each_index.hpp>

namespace halfstep {

/// Prodigy with schedule-free averaging. The gradient g is that at x = (1 - b1) z + b1 a, where z takes the steps and a is the
/// weighted mean of all z:
///
///   r <- sqrt(b2) r - rate d^2 <g, x>          s <- sqrt(b2) s + rate d^2 g          d' = max(d, r / |s|_1)
///   v <- b2 v + (1 - b2) d^2 g^2               z <- z - rate d g / (sqrt(v / (1 - b2^t)) + d epsilon)
///   a <- (1 - c) a + c z with c = (rate d)^2 / sum (rate d)^2                        d <- d'
///
/// d estimates how far the optimum is, in units of x, and only grows; a rate of 1 is right for most.
/// Sources: K. Mishchenko, A. Defazio, "Prodigy: an expeditiously adaptive parameter-free learner", ICML 2024, algorithm 4;
/// A. Defazio et al., "The road less scheduled", NeurIPS 2024. Remembers three numbers an element; the sums behind d are in FP64
/// and in a fixed order.
struct prodigy {
  static constexpr std::string_view name = "prodigy";
  static constexpr float default_rate = 1.0f;

  float beta1 = 0.9f;
  float beta2 = 0.99f;
  float epsilon = 1e-8f;
  double first_distance = 1e-6;  ///< d before the first step

  /// What is remembered of a descent.
  struct state_type {
    host_buffer<float> fast;       ///< z
    host_buffer<float> second;     ///< v
    host_buffer<float> direction;  ///< s / first_distance^2
    double distance = 0.0;         ///< d
    double correlation = 0.0;      ///< r / first_distance^2
    double weight = 0.0;           ///< sum of the weights in a
    int steps = 0;
  };

  state_type start(extents2 e) const {
    state_type state{
        host_buffer<float>(e.count()), host_buffer<float>(e.count()), host_buffer<float>(e.count()), first_distance, 0.0, 0.0, 0};
    for (host_buffer<float>* b : {&state.fast, &state.second, &state.direction}) std::fill(b->begin(), b->end(), 0.0f);
    return state;
  }

  /// Throws shape_error.
  template <host_executor Executor>
  void step(Executor const& ex, state_type& state, host_view<float const> g, host_view<float> x, float rate) const {
    require_extents(g.extents(), x.extents(), "halfstep: the gradient given to an optimizer");
    ++state.steps;
    double const d = state.distance;
    double const growth = d / first_distance;
    auto const gathered = static_cast<float>(growth * growth * rate);
    auto const forget = static_cast<float>(std::sqrt(static_cast<double>(beta2)));
    auto const scale = static_cast<float>(d);
    auto const spread = static_cast<float>(1.0 / std::sqrt(1.0 - std::pow(static_cast<double>(beta2), state.steps)));
    double const weight = (rate * d) * (rate * d);
    state.weight += weight;
    auto const share = static_cast<float>(state.weight > 0.0 ? weight / state.weight : 0.0);
    float const damping = scale * epsilon;
    index_t const count = x.extents().count();
    std::vector<double> slopes(static_cast<std::size_t>((count + task - 1) / task));
    std::vector<double> lengths(slopes.size());
    ex.for_each(static_cast<index_t>(slopes.size()), [&](index_t t) {
      double slope = 0.0;
      double length = 0.0;
      for (index_t i = t * task; i < std::min(count, (t + 1) * task); ++i) {
        float const here = x.data()[i];
        float const gradient = g.data()[i];
        slope -= static_cast<double>(gradient) * static_cast<double>(here);  // exact products
        float const s = settled(forget * state.direction[i]) + settled(gathered * gradient);
        state.direction[i] = s;
        length += static_cast<double>(std::fabs(s));
        float const scaled = scale * gradient;
        float const v = settled(beta2 * state.second[i]) + settled((1.0f - beta2) * scaled * scaled);
        state.second[i] = v;
        float const root = settled(std::sqrt(v) * spread) + damping;
        float const mean = (here - settled((1.0f - beta1) * state.fast[i])) / beta1;
        float const fast = root > 0.0f ? state.fast[i] - rate * scale * scaled / root : state.fast[i];
        state.fast[i] = fast;
        x.data()[i] = settled((1.0f - beta1) * fast) + settled(beta1 * (mean + settled(share * (fast - mean))));
      }
      slopes[static_cast<std::size_t>(t)] = slope;
      lengths[static_cast<std::size_t>(t)] = length;
    });
    double const slope = std::accumulate(slopes.begin(), slopes.end(), 0.0);
    double const length = std::accumulate(lengths.begin(), lengths.end(), 0.0);
    state.correlation = forget * state.correlation + growth * growth * rate * slope;
    if (length > 0.0) state.distance = std::max(d, state.correlation / length);
  }

  /// Starts z and a again at x, which has been set from outside; keeps d.
  template <host_executor Executor>
  void restart(Executor const&, state_type& state, host_view<float const> x) const {
    std::copy_n(x.data(), x.extents().count(), state.fast.data());
  }

 private:
  static constexpr index_t task = index_t{1} << 14;
};

}  // namespace halfstep
