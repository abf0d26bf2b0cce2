// What an adapter's product is multiplied by as it was trained, and who says so.
#pragma once

#include <cmath>
#include <cstdint>
#include <string>

namespace halfstep {

/// How the rank divides alpha.
enum class rank_scaling : std::uint8_t {
  by_rank,  ///< alpha / r
  by_root   ///< alpha / sqrt(r), rank-stabilised: arXiv:2312.03732
};

/// Which place tells the alpha of a pair.
enum class scale_place : std::uint8_t {
  tensors,  ///< an `.alpha` tensor
  header,   ///< the header's metadata
  config,   ///< an adapter_config.json beside the file
  nowhere   ///< alpha is taken to be the rank
};

/// What a pair's product is multiplied by.
struct training_scale {
  double alpha = 1.0;
  double rank = 1.0;
  rank_scaling scaling = rank_scaling::by_rank;
  scale_place place = scale_place::nowhere;
  std::string from = {};         ///< in words, such as "the header's lora_adapter_metadata"; empty where nothing tells
  std::string passed_over = {};  ///< a record of the training that is not this pair's, where nothing else tells

  double factor() const { return alpha / (scaling == rank_scaling::by_root ? std::sqrt(rank) : rank); }

  /// Returns whether both say the same; where they are found does not count.
  bool same_numbers(training_scale const& other) const {
    return alpha == other.alpha && rank == other.rank && scaling == other.scaling;
  }
};

/// Returns the scale of a pair of this rank of which nothing is told: 1.
inline training_scale assumed_scale(double rank) { return {.alpha = rank, .rank = rank}; }

}  // namespace halfstep
