// The steps that choose better codes after rounding: a solver, then flips that keep the mean.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include <halfstep/convert/layer.hpp>
#include <halfstep/convert/step/code_rows.hpp>
#include <halfstep/core/random.hpp>
#include <halfstep/exec/any_host.hpp>
#include <halfstep/objective/hessian.hpp>
#include <halfstep/objective/low_rank_hessian.hpp>
#include <halfstep/recipe/recipe.hpp>
#include <halfstep/recipe/stage_table.hpp>
#include <halfstep/rounding/nearest.hpp>

namespace halfstep::step {

namespace detail {

/// Lets a solver work that wants second moments of the inputs, where something is known of them.
inline void work_by_moments(any_host const& ex, layer& l, solver_row const& solver, stage_context context) {
  context.moments = l.second_moments(ex);
  if (context.moments != nullptr) context.factor = &l.moments.factor(ex, solver, l.how.options.feedback);
  std::optional<low_rank_hessian> directions;
  if (context.factor == nullptr && l.how.directions != nullptr && !(l.known && !l.known->channel_sq.empty()))
    directions = l.how.directions->moments(ex, l.job.found().layer, l.job.basis());
  if (directions) context.directions = &*directions;
  if (context.factor == nullptr && !directions) {
    if (l.wanted().solver != suitable) l.add_method("no " + std::string(solver.name) + ": its inputs are not known");
    return;
  }
  l.job.found().solved = solver.refine(l.matrices(), context);
  l.is_fed_back = context.factor != nullptr;
  if (context.moments != nullptr && context.moments->shrinkage() > 0.0) l.job.found().shrinkage = context.moments->shrinkage();
  l.add_method(std::string(solver.name) + (directions ? " on a LoRA's directions" : ""));
  if (l.is_fed_back && context.factor->damping() > l.how.options.feedback.damping)
    l.add_method("damped by " + std::to_string(context.factor->damping()) + " of its mean diagonal");
}

}  // namespace detail

/// Lets the solver of the recipe work on the codes.
inline void solve(any_host const& ex, layer& l) {
  auto const* const solver = l.how.stages.solver(l.wanted().solver, l.grid());
  if (solver == nullptr) return;
  stage_context const context{ex, l.how.options, philox(l.job.key()), [&](int, double) {
                                require_going(*l.rows.watcher);
                                return true;
                              }};
  if (solver->takes_moments()) return detail::work_by_moments(ex, l, *solver, context);
  l.job.found().solved = solver->refine(l.matrices(), context);
  l.add_method(std::string(solver->name));
  if (solver->remark != nullptr) l.add_method(solver->remark(l.how.options, l.job.extents()));
}

/// Moves codes of a layer without a bias so that the mean of its outputs stays, where nothing else keeps it.
inline void keep_mean(any_host const& ex, layer& l) {
  auto const& how = l.wanted();
  auto const mean = rows_of(l).kept_mean(l);
  if (mean.empty()) return;
  if (l.job.tensor().added.bias || l.job.found().bias != bias_state::none || how.scales == absmax_scales ||
      how.rounding != nearest::name || l.is_fed_back || !l.how.stages.has_grid(l.grid()))
    return;
  if (l.how.stages.grid(l.grid()).flip_means(ex, l.matrices(), mean).moved > 0) l.add_method("mean kept by flips");
}

}  // namespace halfstep::step
