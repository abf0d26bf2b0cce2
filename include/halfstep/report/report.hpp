// What is known of a finished conversion, for the reports that are written from it.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include <halfstep/core/extents.hpp>
#include <halfstep/report/layer_quality.hpp>

namespace halfstep {

/// A finished conversion.
struct run_report {
  std::string settings;                                            ///< one sentence: recipe, rounding, scales
  std::vector<std::pair<std::string, std::string>> settings_list;  ///< what was asked for and chosen, one by one
  std::string input;
  std::string output;
  std::vector<std::string> merged;  ///< what was merged into the weights, one adapter each
  std::string measured_on;          ///< the input rows behind the output errors, in words; empty where there are none
  std::vector<layer_quality> layers;
  std::vector<std::string> warnings;
  std::map<std::string, index_t> formats;  ///< how many layers of each recipe, and of kept and removed tensors
  std::uint64_t input_bytes = 0;
  std::uint64_t output_bytes = 0;
  double seconds = 0.0;
};

}  // namespace halfstep
