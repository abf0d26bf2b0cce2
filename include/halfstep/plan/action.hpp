// What a plan does with a tensor of its input.
#pragma once

#include <cstdint>

namespace halfstep {

/// What happens to an input tensor.
enum class action : std::uint8_t {
  keep,      ///< copied byte for byte
  quantize,  ///< replaced by the tensors of its recipe
  correct,   ///< a bias that is written anew with its layer, as one of the tensors of the layer's weight
  remove     ///< left out of the output
};

}  // namespace halfstep
