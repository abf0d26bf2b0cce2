// Scale search, bias correction and mean-preserving flips on the INT8 grid.
#include "solvers.hpp"

namespace convert_to_quant {

halfstep::grid_stages int8_stages() { return halfstep::make_grid_stages<127>(); }

}  // namespace convert_to_quant
