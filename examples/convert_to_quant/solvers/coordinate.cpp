// Learned rounding by coordinate descent on the INT8 grid.
#include <halfstep/layout/symmetric_grid.hpp>
#include <halfstep/solver/coordinate.hpp>

#include "principal_of.hpp"
#include "solvers.hpp"

namespace convert_to_quant {

std::vector<halfstep::solver_stage> coordinate_solvers() {
  using namespace halfstep;
  return {
      {solver_kind::coordinate, [](layer_matrices const& layer, stage_context const& context) {
         coded_matrix<symmetric_grid<127>> const codes{layer.codes, layer.scales, layer.geometry};
         auto const objective = principal_of(layer, context);
         return coordinate(context.options.sqnr_budget_db).refine(context.team, layer.weight, codes, objective, context.watch);
       }}};
}

}  // namespace convert_to_quant
