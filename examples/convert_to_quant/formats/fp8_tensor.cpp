// The kernels of fp8_tensor.
#include <halfstep/layout/fp8_tensor.hpp>

#include "family.hpp"
#include "formats.hpp"

namespace convert_to_quant {

std::vector<halfstep::format_row> fp8_tensor_formats() { return family<halfstep::fp8_tensor>(); }

}  // namespace convert_to_quant
