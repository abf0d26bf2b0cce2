// The reasons for which every schedule stops early.
#pragma once

#include <halfstep/optimizer/concept.hpp>

namespace halfstep {

/// Stops where the loss is small enough, the rate too small to move anything, or nothing has improved for long.
struct early_stops {
  double loss = 1e-8;
  float rate = 1e-10f;
  int stall = 1000;

  /// Returns whether one of the three is reached, at the rate of the step to come.
  bool reached(progress const& p, float next_rate) const { return p.loss <= loss || next_rate <= rate || p.stall >= stall; }
};

}  // namespace halfstep
