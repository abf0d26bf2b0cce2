// Scale search, bias correction and mean-preserving flips on every grid.
#include <halfstep/recipe/make_stages.hpp>

#include "grids.hpp"
#include "solvers.hpp"

namespace convert_to_quant {

halfstep::stage_table stages_of_grids() {
  halfstep::stage_table all;
  for_each_grid([&]<class Grid>() {
    all.add(halfstep::make_grid<Grid>());
    all.add(halfstep::make_scale_searches<Grid>());
  });
  return all;
}

}  // namespace convert_to_quant
