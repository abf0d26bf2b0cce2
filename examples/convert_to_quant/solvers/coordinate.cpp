// Learned rounding by coordinate descent on every grid.
#include <halfstep/solver/coordinate.hpp>

#include "grids.hpp"
#include "principal_of.hpp"
#include "solvers.hpp"

namespace convert_to_quant {

std::vector<halfstep::solver_row> coordinate_solvers() {
  using namespace halfstep;
  std::vector<solver_row> all;
  for_each_grid([&]<class Grid>() {
    all.push_back({"coordinate", Grid::name,
                   [](layer_matrices const& layer, stage_context const& context) {
                     auto const objective = principal_of(layer, context);
                     return coordinate(context.options.sqnr_budget_db)
                         .refine(context.team, layer.weight, layer.coded<Grid>(), objective, context.watch);
                   },
                   nullptr, directions_in_words});
  });
  return all;
}

}  // namespace convert_to_quant
