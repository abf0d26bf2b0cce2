// The kernels of int8_tensor.
#include <halfstep/layout/int8_tensor.hpp>

#include "codecs.hpp"

namespace convert_to_quant {

std::vector<halfstep::codec> int8_tensor_codecs() {
  using namespace halfstep;
  return {make_codec<int8_tensor, nearest>(scheme::int8_tensor, 0, rounding_kind::nearest, dtype::i8),
          make_codec<int8_tensor, stochastic>(scheme::int8_tensor, 0, rounding_kind::stochastic, dtype::i8)};
}

}  // namespace convert_to_quant
