// Scale search, bias correction and mean-preserving flips on every grid.
#include "grids.hpp"
#include "solvers.hpp"

namespace convert_to_quant {

std::vector<halfstep::grid_stages> stages_of_grids() {
  std::vector<halfstep::grid_stages> all;
  for_each_grid([&]<class Grid>(halfstep::grid_kind kind) { all.push_back(halfstep::make_grid_stages<Grid>(kind)); });
  return all;
}

}  // namespace convert_to_quant
