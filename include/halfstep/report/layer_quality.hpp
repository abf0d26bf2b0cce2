// What is known of a quantized layer after its codes are stored.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <optional>
#include <string>

#include <halfstep/core/extents.hpp>
#include <halfstep/kernel/error_histogram.hpp>
#include <halfstep/kernel/residual_statistics.hpp>
#include <halfstep/recipe/recipe.hpp>
#include <halfstep/solver/concept.hpp>

namespace halfstep {

/// What happened to a layer's bias.
enum class bias_state : std::uint8_t {
  none,      ///< the layer has none
  kept,      ///< copied: nothing is known of the mean input
  corrected  ///< b + (W - Wq) mu
};

/// The error of one layer, from the bytes that were stored.
struct layer_quality {
  std::string layer;  ///< the weight's name without `.weight`
  recipe how;
  extents2 shape;
  residual_statistics error;
  float scale_min = 0.0f;  ///< 0 where there are no scales
  float scale_max = 0.0f;
  double seconds = 0.0;                ///< of one thread; of all where they work on the layer together
  std::string method;                  ///< how codes and scales were found, such as "bounded scales"; empty for plain rounding
  std::optional<solve_report> solved;  ///< where a solver worked on the codes
  std::optional<double> output_error;  ///< |X E^T| / |X W^T| where input rows X are held out
  std::optional<double> output_error_8bit;  ///< the same with activations in 8 bit, as ComfyUI runs them
  index_t input_rows = 0;                   ///< measured ones that second moments come of; 0: none, or the files do not say
  std::optional<double> shrinkage;          ///< of their Hessian towards its diagonal, where that is of few rows
  index_t unseen_columns = 0;               ///< of the inputs, zero in all that is measured
  bias_state bias = bias_state::none;
  bool is_requantized = false;                      ///< all figures are against what the input's codes decode to
  error_bins error_steps{};                         ///< weights by |error| / step in bins of 0.05; the last bin takes all beyond
  std::optional<double> only_value = std::nullopt;  ///< where all weights of the input are this one number

  /// Returns the signal to noise ratio in dB; infinite where every weight is exact.
  double sqnr() const { return error.error_square > 0.0 ? sqnr_db(error) : std::numeric_limits<double>::infinity(); }

  /// Returns the mean of the squared errors.
  double mse() const { return error.error_square / static_cast<double>(std::max<index_t>(shape.count(), 1)); }

  /// Returns <W, E> / |W|^2: how much smaller the stored weights are than the original ones; 0 for a layer of zeros.
  double gain_error() const { return error.weight_square > 0.0 ? error.product / error.weight_square : 0.0; }
};

}  // namespace halfstep
