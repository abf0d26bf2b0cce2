// The kernels of int8_axis.
#include <halfstep/layout/int8_axis.hpp>

#include "codecs.hpp"

namespace convert_to_quant {

std::vector<halfstep::codec> int8_axis_codecs() {
  using namespace halfstep;
  return {make_codec<int8_axis, nearest>(scheme::int8_axis, 0, rounding_kind::nearest, dtype::i8),
          make_codec<int8_axis, stochastic>(scheme::int8_axis, 0, rounding_kind::stochastic, dtype::i8)};
}

}  // namespace convert_to_quant
