// GPTQ as exact error feedback on the INT8 grid.
#include <halfstep/layout/symmetric_grid.hpp>
#include <halfstep/solver/error_feedback.hpp>

#include "solvers.hpp"

namespace convert_to_quant {

std::vector<halfstep::solver_stage> feedback_solvers() {
  using namespace halfstep;
  return {
      {solver_kind::gptq, [](layer_matrices const& layer, stage_context const& context) {
         coded_matrix<symmetric_grid<127>> const codes{layer.codes, layer.scales, layer.geometry};
         if (context.directions != nullptr) {  // known, not sampled: the least damping does
           factor_settings const how{.order = context.options.feedback.order};
           return error_feedback<>({.factor = how}).refine(context.team, layer.weight, codes, *context.directions, context.watch);
         }
         return error_feedback<>({.factor = context.options.feedback})
             .refine(context.team, layer.weight, codes, *context.moments, *context.factor, context.watch);
       }}};
}

}  // namespace convert_to_quant
