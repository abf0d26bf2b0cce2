// The schedule that falls by the same factor every step.
#pragma once

#include <cmath>

#include <halfstep/optimizer/concept.hpp>
#include <halfstep/optimizer/early_stops.hpp>

namespace halfstep {

/// initial gamma^iteration.
struct exponential_rate {
  float initial;
  float gamma = 0.99f;
  early_stops stops{};

  float rate(progress const& p) const { return static_cast<float>(initial * std::pow(static_cast<double>(gamma), p.iteration)); }
  bool done(progress const& p) const { return stops.reached(p, rate(p)); }
};

}  // namespace halfstep
