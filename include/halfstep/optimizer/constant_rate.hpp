// The schedule that does not change.
#pragma once

#include <halfstep/optimizer/concept.hpp>
#include <halfstep/optimizer/early_stops.hpp>

namespace halfstep {

/// The same rate for every step.
struct constant_rate {
  float initial;
  early_stops stops{};

  float rate(progress const&) const { return initial; }
  bool done(progress const& p) const { return stops.reached(p, initial); }
};

}  // namespace halfstep
