// What is known of a quantized layer after its codes are stored.
#pragma once

#include <algorithm>
#include <cmath>
#include <limits>
#include <string>

#include <halfstep/core/extents.hpp>
#include <halfstep/kernel/residual_statistics.hpp>
#include <halfstep/recipe/recipe.hpp>

namespace halfstep {

/// The error of one layer, from the bytes that were stored.
struct layer_quality {
  std::string layer;  ///< the weight's name without `.weight`
  recipe how;
  extents2 shape;
  residual_statistics error;
  float scale_min = 0.0f;  ///< 0 where there are no scales
  float scale_max = 0.0f;
  double seconds = 0.0;  ///< of one thread

  /// Returns the signal to noise ratio in dB; infinite where every weight is exact.
  double sqnr() const { return error.error_square > 0.0 ? sqnr_db(error) : std::numeric_limits<double>::infinity(); }

  /// Returns the mean of the squared errors.
  double mse() const { return error.error_square / static_cast<double>(std::max<index_t>(shape.count(), 1)); }

  /// Returns <W, E> / |W|^2: how much smaller the stored weights are than the original ones; 0 for a layer of zeros.
  double gain_error() const { return error.weight_square > 0.0 ? error.product / error.weight_square : 0.0; }
};

}  // namespace halfstep
