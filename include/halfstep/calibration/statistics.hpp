// What is known of one layer's inputs.
#pragma once

#include <optional>
#include <vector>

#include <halfstep/calibration/channel_figures.hpp>
#include <halfstep/calibration/input_rows.hpp>
#include <halfstep/core/extents.hpp>

namespace halfstep {

/// What is known of one layer's inputs x of N columns, in the basis of a layer, as far as that keeps rows apart. Vectors have N
/// values, or none where nothing is known. Mean, squares and scale are measured ones: synthetic inputs never give them.
struct input_statistics {
  std::vector<float> channel_max;    ///< max |x_j|
  std::vector<float> channel_mean;   ///< E[x_j]
  std::vector<float> channel_sq;     ///< E[x_j^2]
  std::optional<float> input_scale;  ///< max |x| / 127, at least 1e-30
  std::optional<input_rows> rows;    ///< samples of x
  channel_figures sums;              ///< of the rows, where they were read for this
  index_t samples = 0;               ///< how many rows of x the figures come from; 0 where the file does not say
};

}  // namespace halfstep
