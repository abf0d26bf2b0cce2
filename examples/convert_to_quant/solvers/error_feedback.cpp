// GPTQ as exact error feedback on every grid.
#include <halfstep/solver/error_feedback.hpp>

#include "grids.hpp"
#include "solvers.hpp"

namespace convert_to_quant {

std::vector<halfstep::solver_row> feedback_solvers() {
  using namespace halfstep;
  std::vector<solver_row> all;
  for_each_grid([&]<class Grid>() {
    solver_row row{"gptq", Grid::name,
                   [](layer_matrices const& layer, stage_context const& context) {
                     auto const codes = layer.coded<Grid>();
                     if (context.directions != nullptr) {  // known, not sampled: the least damping does
                       factor_settings const how{.order = context.options.feedback.order};
                       return error_feedback<>({.factor = how})
                           .refine(context.team, layer.weight, codes, *context.directions, context.watch);
                     }
                     return error_feedback<>({.factor = context.options.feedback})
                         .refine(context.team, layer.weight, codes, *context.moments, *context.factor, context.watch);
                   },
                   [](any_host const& team, hessian const& moments, factor_settings const& how) {
                     return hessian_factor<float>(team, moments, how);
                   }};
    all.push_back(row);
    row.name = "quip";  // the same, in whatever basis is stored
    all.push_back(row);
  });
  return all;
}

}  // namespace convert_to_quant
