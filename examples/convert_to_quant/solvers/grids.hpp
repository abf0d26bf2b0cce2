// The grids that the converter's solvers are built for.
#pragma once

#include <halfstep/layout/e4m3_grid.hpp>
#include <halfstep/layout/symmetric_grid.hpp>

namespace convert_to_quant {

/// Calls `f.operator()<Grid>()` for every grid.
template <class F>
void for_each_grid(F const& f) {
  f.template operator()<halfstep::symmetric_grid<127>>();
  f.template operator()<halfstep::e4m3_grid>();
}

}  // namespace convert_to_quant
