// What a plan and the numbers of solvers decide of an output.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include <halfstep/convert/resume/fingerprint.hpp>
#include <halfstep/convert/resume/plan_digest.hpp>
#include <halfstep/core/version.hpp>
#include <halfstep/plan/planned.hpp>
#include <halfstep/recipe/recipe.hpp>
#include <halfstep/recipe/solve_options.hpp>
#include <halfstep/rounding/nearest.hpp>

namespace halfstep {

namespace detail {

/// Adds every number that solvers read, under its name in `solve_options`. Returns the seed of QuIP's signs.
inline std::uint64_t add_solver_facts(solve_options const& options, std::vector<named_fact<double>>& to) {
  auto const& [budget, top_p, min_k, max_k, svd, iterations, rate, schedule, gamma, patience, factor, rate_min, cooldown,
               threshold, mode, shape_influence, reset, stop_loss, stop_rate, stop_stall, feedback, sign_seed] = options;
  auto const& [damping, order] = feedback;
  auto const add = [&](char const* name, auto value) { to.push_back({name, static_cast<double>(value)}); };
  add("`sqnr_budget_db`", budget);
  add("`top_p`", top_p);
  add("`min_k`", min_k);
  add("`max_k`", max_k);
  add("`svd`", static_cast<int>(svd));
  add("`iterations`", iterations);
  add("`rate`", rate.value_or(-1.0));
  add("`schedule`", static_cast<int>(schedule));
  add("`rate_gamma`", gamma);
  add("`rate_patience`", patience);
  add("`rate_factor`", factor);
  add("`rate_min`", rate_min);
  add("`rate_cooldown`", cooldown);
  add("`rate_threshold`", threshold);
  add("`rate_threshold_mode`", static_cast<int>(mode));
  add("`rate_shape_influence`", shape_influence);
  add("`reset`", static_cast<int>(reset));
  add("`stop_loss`", stop_loss);
  add("`stop_rate`", stop_rate);
  add("`stop_stall`", stop_stall);
  add("the damping of second moments", damping);
  add("`order`", static_cast<int>(order));
  return sign_seed;
}

}  // namespace detail

/// Returns what `p` and `options` decide of an output, without the files that it is made of. The seed counts where something may
/// be random, `options` where a solver works: all of them, since which solver reads what is not known here.
inline fingerprint chosen_facts(plan const& p, std::uint64_t seed, solve_options const& options) {
  fingerprint made{.version = std::string(version), .plan = plan_digest(p)};
  bool solved = false, random = false;
  for (planned_tensor const& t : p.tensors) {
    if (t.what != action::quantize) continue;
    solved = solved || t.how.solver != no_solver || !t.how.bases.empty();
    random = random || t.how.rounding != nearest::name || t.how.solver != no_solver;
  }
  if (random) made.seed = seed;
  if (solved) made.sign_seed = detail::add_solver_facts(options, made.numbers);
  return made;
}

}  // namespace halfstep
