// An adapter, and how much of a model it changes.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include <halfstep/lora/training_scale.hpp>

namespace halfstep {

/// A scale of pairs, and how many have it.
struct scale_use {
  training_scale scale;
  std::size_t pairs = 0;
};

/// An adapter that was matched.
struct matched_adapter {
  std::string path;
  double strength = 1.0;               ///< as it was asked for
  double scale = 1.0;                  ///< of all adapters
  double dampening = 1.0;              ///< 0.9^i for the i-th of several
  std::size_t layers = 0;              ///< of the model that it changes
  std::vector<scale_use> scales = {};  ///< of its pairs, in the order of their first use; none where it holds differences alone

  /// Returns what each scaled product is multiplied by.
  double factor() const { return strength * scale * dampening; }
};

}  // namespace halfstep
