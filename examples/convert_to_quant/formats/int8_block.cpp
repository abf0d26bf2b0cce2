// The kernels of int8_block, for each side of its blocks.
#include <halfstep/layout/int8_block.hpp>

#include "family.hpp"
#include "formats.hpp"

namespace convert_to_quant {

std::vector<halfstep::format_row> int8_block_formats() {
  using namespace halfstep;
  return family<int8_block<16>, int8_block<32>, int8_block<64>, int8_block<128>, int8_block<256>>();
}

}  // namespace convert_to_quant
