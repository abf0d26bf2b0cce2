// The kernels of fp16.
#include <halfstep/layout/fp16.hpp>

#include "family.hpp"
#include "formats.hpp"

namespace convert_to_quant {

std::vector<halfstep::format_row> fp16_formats() { return family<halfstep::fp16>(); }

}  // namespace convert_to_quant
