// The reference system's schedule: faster after every improvement, slower after every step without.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>

#include <halfstep/optimizer/concept.hpp>
#include <halfstep/optimizer/early_stops.hpp>

namespace halfstep {

/// What an improvement does to the count of steps without one.
enum class adaptive_reset : std::uint8_t { simple_reset, no_reset };

/// Multiplies the rate by a factor above 1 after an improvement and below 1 after a step without, in tiers by how many steps
/// without improvement the counter shows.
///
/// An improvement picks its tier before the counter is reset. The first rate is the initial one.
/// Source: the table in the reference system's tool.
class adaptive_rate {
 public:
  /// From `count` steps without improvement on: the factor, and the rate that it does not cross.
  struct tier {
    int count;
    float factor;
    float limit;
  };

  static constexpr float cap = 100.0f;

  static constexpr std::array<tier, 9> after_improvement{{{0, 1.25f, cap},
                                                          {50, 1.375f, cap},
                                                          {75, 1.5f, cap},
                                                          {100, 1.75f, cap},
                                                          {125, 2.0f, cap},
                                                          {150, 2.25f, cap},
                                                          {200, 2.5f, cap},
                                                          {250, 2.75f, cap},
                                                          {300, 3.0f, cap}}};

  static constexpr std::array<tier, 9> without_improvement{{{0, 0.95f, 9e-8f},
                                                            {26, 0.97f, 8e-8f},
                                                            {51, 0.985f, 7e-8f},
                                                            {76, 0.9875f, 6e-8f},
                                                            {101, 0.98875f, 5e-8f},
                                                            {151, 0.99f, 4e-8f},
                                                            {201, 0.99125f, 3e-8f},
                                                            {251, 0.9925f, 2e-8f},
                                                            {301, 0.995f, 5e-9f}}};

  explicit adaptive_rate(float initial, adaptive_reset mode = adaptive_reset::simple_reset, early_stops stops = {})
      : rate_(initial), mode_(mode), stops_(stops) {}

  float rate(progress const& p) {
    if (p.iteration == 0) return rate_;
    if (p.stall == 0) {
      tier const t = tier_of(after_improvement, counter_);
      rate_ = std::min(rate_ * t.factor, t.limit);
      if (mode_ == adaptive_reset::simple_reset) counter_ = 0;
    } else {
      ++counter_;
      tier const t = tier_of(without_improvement, counter_);
      rate_ = std::max(rate_ * t.factor, std::min(rate_, t.limit));
    }
    return rate_;
  }

  bool done(progress const& p) const { return stops_.reached(p, rate_); }

 private:
  static tier tier_of(std::array<tier, 9> const& tiers, int count) {
    tier found = tiers[0];
    for (tier const& t : tiers)
      if (t.count <= count) found = t;
    return found;
  }

  float rate_;
  adaptive_reset mode_;
  early_stops stops_;
  int counter_ = 0;
};

}  // namespace halfstep
