// Learned rounding by coordinate descent on every grid.
#include <halfstep/solver/coordinate.hpp>

#include "grids.hpp"
#include "principal_of.hpp"
#include "solvers.hpp"

namespace convert_to_quant {

std::vector<halfstep::solver_stage> coordinate_solvers() {
  using namespace halfstep;
  std::vector<solver_stage> all;
  for_each_grid([&]<class Grid>(grid_kind kind) {
    all.push_back({solver_kind::coordinate, kind, [](layer_matrices const& layer, stage_context const& context) {
                     auto const objective = principal_of(layer, context);
                     return coordinate(context.options.sqnr_budget_db)
                         .refine(context.team, layer.weight, layer.coded<Grid>(), objective, context.watch);
                   }});
  });
  return all;
}

}  // namespace convert_to_quant
