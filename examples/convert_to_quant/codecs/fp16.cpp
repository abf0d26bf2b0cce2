// The kernels of fp16.
#include <halfstep/layout/fp16.hpp>

#include "codecs.hpp"

namespace convert_to_quant {

std::vector<halfstep::codec> fp16_codecs() {
  using namespace halfstep;
  return {make_codec<fp16, nearest>(scheme::fp16, 0, rounding_kind::nearest, dtype::f16),
          make_codec<fp16, stochastic>(scheme::fp16, 0, rounding_kind::stochastic, dtype::f16)};
}

}  // namespace convert_to_quant
