// Learned rounding by the gradient optimizers on the INT8 grid.
#include <halfstep/layout/symmetric_grid.hpp>
#include <halfstep/optimizer/adamw.hpp>
#include <halfstep/optimizer/adaptive_rate.hpp>
#include <halfstep/optimizer/exponential_rate.hpp>
#include <halfstep/optimizer/gradient.hpp>
#include <halfstep/optimizer/plateau_rate.hpp>
#include <halfstep/optimizer/prodigy.hpp>
#include <halfstep/optimizer/radam.hpp>
#include <halfstep/solver/descent.hpp>

#include "principal_of.hpp"
#include "solvers.hpp"

namespace convert_to_quant {

namespace {

using namespace halfstep;

template <class Optimizer, class Schedule>
solve_report descend(layer_matrices const& layer, stage_context const& context, Schedule const& schedule) {
  coded_matrix<symmetric_grid<127>> const codes{layer.codes, layer.scales, layer.geometry};
  descent<Optimizer, Schedule> const solver(
      Optimizer{}, schedule, {.iterations = context.options.iterations, .budget_db = context.options.sqnr_budget_db});
  return solver.refine(context.team, layer.weight, codes, principal_of(layer, context), context.watch);
}

template <class Optimizer>
solve_report refine(layer_matrices const& layer, stage_context const& context) {
  solve_options const& o = context.options;
  auto const initial = static_cast<float>(o.rate.value_or(static_cast<double>(Optimizer::default_rate)));
  early_stops const stops{.loss = o.stop_loss, .rate = static_cast<float>(o.stop_rate), .stall = o.stop_stall};
  switch (o.schedule) {
    case schedule_kind::exponential:
      return descend<Optimizer>(layer, context, exponential_rate{initial, static_cast<float>(o.rate_gamma), stops});
    case schedule_kind::plateau:
      return descend<Optimizer>(layer, context,
                                plateau_rate({.initial = initial,
                                              .factor = static_cast<float>(o.rate_factor),
                                              .patience = o.rate_patience,
                                              .cooldown = o.rate_cooldown,
                                              .minimum = static_cast<float>(o.rate_min),
                                              .threshold = o.rate_threshold,
                                              .mode = o.rate_threshold_mode,
                                              .shape_influence = static_cast<float>(o.rate_shape_influence),
                                              .stops = stops}));
    default:
      return descend<Optimizer>(layer, context, adaptive_rate(initial, o.reset, stops));
  }
}

}  // namespace

std::vector<solver_stage> gradient_solvers() {
  return {{solver_kind::original, refine<gradient>},
          {solver_kind::adamw, refine<adamw>},
          {solver_kind::radam, refine<radam>},
          {solver_kind::prodigy, refine<prodigy>}};
}

}  // namespace convert_to_quant
