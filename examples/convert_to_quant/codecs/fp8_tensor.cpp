// The kernels of fp8_tensor.
#include <halfstep/layout/fp8_tensor.hpp>

#include "codecs.hpp"

namespace convert_to_quant {

std::vector<halfstep::codec> fp8_tensor_codecs() {
  using namespace halfstep;
  return {make_codec<fp8_tensor, nearest>(scheme::fp8_tensor, 0, rounding_kind::nearest, dtype::f8_e4m3),
          make_codec<fp8_tensor, stochastic>(scheme::fp8_tensor, 0, rounding_kind::stochastic, dtype::f8_e4m3)};
}

}  // namespace convert_to_quant
