// Learned rounding by the gradient optimizers on every grid.
#include <halfstep/optimizer/adamw.hpp>
#include <halfstep/optimizer/adaptive_rate.hpp>
#include <halfstep/optimizer/exponential_rate.hpp>
#include <halfstep/optimizer/gradient.hpp>
#include <halfstep/optimizer/plateau_rate.hpp>
#include <halfstep/optimizer/prodigy.hpp>
#include <halfstep/optimizer/radam.hpp>
#include <halfstep/solver/descent.hpp>

#include "grids.hpp"
#include "principal_of.hpp"
#include "solvers.hpp"

namespace convert_to_quant {

namespace {

using namespace halfstep;

template <class Grid, class Optimizer, class Schedule>
solve_report descend(layer_matrices const& layer, stage_context const& context, Schedule const& schedule) {
  descent<Optimizer, Schedule> const solver(
      Optimizer{}, schedule, {.iterations = context.options.iterations, .budget_db = context.options.sqnr_budget_db});
  return solver.refine(context.team, layer.weight, layer.coded<Grid>(), principal_of(layer, context), context.watch);
}

template <class Grid, class Optimizer>
solve_report refine(layer_matrices const& layer, stage_context const& context) {
  solve_options const& o = context.options;
  auto const initial = static_cast<float>(o.rate.value_or(static_cast<double>(Optimizer::default_rate)));
  early_stops const stops{.loss = o.stop_loss, .rate = static_cast<float>(o.stop_rate), .stall = o.stop_stall};
  switch (o.schedule) {
    case schedule_kind::exponential:
      return descend<Grid, Optimizer>(layer, context, exponential_rate{initial, static_cast<float>(o.rate_gamma), stops});
    case schedule_kind::plateau:
      return descend<Grid, Optimizer>(layer, context,
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
      return descend<Grid, Optimizer>(layer, context, adaptive_rate(initial, o.reset, stops));
  }
}

}  // namespace

std::vector<solver_row> gradient_solvers() {
  std::vector<solver_row> all;
  for_each_grid([&]<class Grid>() {
    all.push_back({"original", Grid::name, refine<Grid, gradient>, nullptr, directions_in_words});
    all.push_back({"adamw", Grid::name, refine<Grid, adamw>, nullptr, directions_in_words});
    all.push_back({"radam", Grid::name, refine<Grid, radam>, nullptr, directions_in_words});
    all.push_back({"prodigy", Grid::name, refine<Grid, prodigy>, nullptr, directions_in_words});
  });
  return all;
}

}  // namespace convert_to_quant
