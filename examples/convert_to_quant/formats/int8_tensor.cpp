// The kernels of int8_tensor.
#include <halfstep/layout/int8_tensor.hpp>

#include "family.hpp"
#include "formats.hpp"

namespace convert_to_quant {

std::vector<halfstep::format_row> int8_tensor_formats() { return family<halfstep::int8_tensor>(); }

}  // namespace convert_to_quant
