// The kernels of int8_block, one pair of rows for each side.
#include <halfstep/layout/int8_block.hpp>

#include "codecs.hpp"

namespace convert_to_quant {

namespace {

template <int... Sides>
std::vector<halfstep::codec> rows() {
  using namespace halfstep;
  std::vector<codec> all;
  (all.push_back(make_codec<int8_block<Sides>, nearest>(scheme::int8_block, Sides, rounding_kind::nearest, dtype::i8)), ...);
  (all.push_back(make_codec<int8_block<Sides>, stochastic>(scheme::int8_block, Sides, rounding_kind::stochastic, dtype::i8)),
   ...);
  return all;
}

}  // namespace

std::vector<halfstep::codec> int8_block_codecs() { return rows<16, 32, 64, 128, 256>(); }

}  // namespace convert_to_quant
