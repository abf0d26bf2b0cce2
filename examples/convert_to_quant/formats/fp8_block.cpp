// The kernels of fp8_block, for each side of its blocks.
#include <halfstep/layout/fp8_block.hpp>

#include "family.hpp"
#include "formats.hpp"

namespace convert_to_quant {

std::vector<halfstep::format_row> fp8_block_formats() {
  using namespace halfstep;
  return family<fp8_block<16>, fp8_block<32>, fp8_block<64>, fp8_block<128>, fp8_block<256>>();
}

}  // namespace convert_to_quant
