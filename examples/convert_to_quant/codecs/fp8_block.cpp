// The kernels of fp8_block, one pair of rows for each side.
#include <halfstep/layout/fp8_block.hpp>

#include "codecs.hpp"

namespace convert_to_quant {

namespace {

template <int... Sides>
std::vector<halfstep::codec> rows() {
  using namespace halfstep;
  std::vector<codec> all;
  (all.push_back(make_codec<fp8_block<Sides>, nearest>(scheme::fp8_block, Sides, rounding_kind::nearest, dtype::f8_e4m3)), ...);
  (all.push_back(make_codec<fp8_block<Sides>, stochastic>(scheme::fp8_block, Sides, rounding_kind::stochastic, dtype::f8_e4m3)),
   ...);
  return all;
}

}  // namespace

std::vector<halfstep::codec> fp8_block_codecs() { return rows<16, 32, 64, 128, 256>(); }

}  // namespace convert_to_quant
