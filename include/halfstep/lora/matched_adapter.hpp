// An adapter, and how much of a model it changes.
#pragma once

#include <cstddef>
#include <string>

namespace halfstep {

/// An adapter that was matched.
struct matched_adapter {
  std::string path;
  double factor;           ///< strength, scale and dampening
  std::size_t layers = 0;  ///< of the model that it changes
};

}  // namespace halfstep
