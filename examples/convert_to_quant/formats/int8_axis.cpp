// The kernels of int8_axis.
#include <halfstep/layout/int8_axis.hpp>

#include "family.hpp"
#include "formats.hpp"

namespace convert_to_quant {

std::vector<halfstep::format_row> int8_axis_formats() { return family<halfstep::int8_axis>(); }

}  // namespace convert_to_quant
