// The schedule that falls when the loss no longer does.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>

#include <halfstep/optimizer/concept.hpp>
#include <halfstep/optimizer/early_stops.hpp>

namespace halfstep {

/// How much a loss must fall to count: by a part of the best, or by an amount.
enum class threshold_mode : std::uint8_t { relative, absolute };

/// What `plateau_rate` is told.
struct plateau_settings {
  float initial;
  float factor = 0.92f;
  int patience = 9;  ///< steps without improvement that are suffered
  int cooldown = 6;  ///< steps after a fall that are not counted
  float minimum = 1e-10f;
  double threshold = 0.0;
  threshold_mode mode = threshold_mode::relative;
  float shape_influence = 1.0f;  ///< 0: every shape falls by `factor`; 1: by factor^sqrt(long side / short side)
  early_stops stops{};
};

/// Multiplies the rate by the factor of the shape after more than `patience` steps without improvement.
///
/// Patience, cooldown and threshold work as in common frameworks' ReduceLROnPlateau.
class plateau_rate {
 public:
  explicit plateau_rate(plateau_settings settings) : settings_(settings), rate_(settings.initial) {}

  /// Returns f + (f^r - f) i with r = sqrt(max(M, N) / min(M, N)) and influence i; f for an empty shape.
  static float factor_for(extents2 shape, float factor, float influence) {
    index_t const narrow = std::min(shape.rows, shape.columns);
    if (narrow <= 0) return factor;
    double const r = std::sqrt(static_cast<double>(std::max(shape.rows, shape.columns)) / static_cast<double>(narrow));
    return static_cast<float>(factor + (std::pow(static_cast<double>(factor), r) - factor) * influence);
  }

  float rate(progress const& p) {
    if (p.loss < limit()) {
      best_ = p.loss;
      bad_ = 0;
    } else {
      ++bad_;
    }
    if (cooling_ > 0) {
      --cooling_;
      bad_ = 0;
    }
    if (bad_ > settings_.patience) {
      float const factor = factor_for(p.shape, settings_.factor, settings_.shape_influence);
      rate_ = std::max(rate_ * factor, std::min(rate_, settings_.minimum));
      cooling_ = settings_.cooldown;
      bad_ = 0;
    }
    return rate_;
  }

  bool done(progress const& p) const { return settings_.stops.reached(p, rate_); }

 private:
  /// What a loss must stay below to count as an improvement.
  double limit() const {
    return settings_.mode == threshold_mode::relative ? best_ * (1.0 - settings_.threshold) : best_ - settings_.threshold;
  }

  plateau_settings settings_;
  float rate_;
  double best_ = std::numeric_limits<double>::infinity();
  int bad_ = 0;
  int cooling_ = 0;
};

}  // namespace halfstep
