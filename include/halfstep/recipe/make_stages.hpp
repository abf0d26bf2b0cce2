// Rows of a stage table from grids and solvers, which are types.
#pragma once

#include <array>
#include <span>
#include <vector>

#include <halfstep/exec/any_host.hpp>
#include <halfstep/kernel/bias_correction.hpp>
#include <halfstep/objective/mean_square.hpp>
#include <halfstep/recipe/stage_table.hpp>
#include <halfstep/solver/concept.hpp>
#include <halfstep/solver/mean_flip.hpp>
#include <halfstep/solver/scale_search.hpp>

namespace halfstep {

/// Returns the row of `Grid`.
template <class Grid>
constexpr std::array<grid_row, 1> make_grid() {
  return {{{Grid::name,
            [](any_host const& team, layer_matrices const& layer, std::span<float const> mean) {
              return residual_mean<Grid>(team, layer.weight, layer.coded<Grid>().codes, layer.scales, layer.geometry, mean);
            },
            [](any_host const& team, layer_matrices const& layer, std::span<float const> mean) {
              return mean_flip({mean.begin(), mean.end()}).refine(team, layer.weight, layer.coded<Grid>());
            }}}};
}

namespace detail {

template <class Grid, scale_criterion Criterion>
void search_scales(any_host const& team, layer_matrices const& layer, std::span<float const> column_weights) {
  scale_search<Grid>{Criterion}(team, layer.weight, layer.geometry, column_weights, layer.scales);
}

}  // namespace detail

/// Returns the library's searches for scales of codes on `Grid`: "bounded" within half a step, "mse" of least squared error.
template <class Grid>
constexpr std::array<scale_row, 2> make_scale_searches() {
  return {{{"bounded", Grid::name, detail::search_scales<Grid, scale_criterion::bounded>, column_weight::energy, "bounded scales",
            "bounded scales"},
           {"mse", Grid::name, detail::search_scales<Grid, scale_criterion::mse>, column_weight::inputs,
            "scales of least squares", "scales weighted by the inputs"}}};
}

/// Returns the row of a `Solver` of codes on `Grid` that is made of nothing and has a `name`. One that takes an objective gets
/// the squared error of the weight.
template <class Solver, class Grid>
constexpr std::array<solver_row, 1> make_solver() {
  if constexpr (!solver<Solver, Grid>) static_assert(check_solver<Solver, Grid, mean_square>());
  return {{{Solver::name, Grid::name, [](layer_matrices const& layer, stage_context const& context) {
              if constexpr (solver<Solver, Grid>)
                return Solver{}.refine(context.team, layer.weight, layer.template coded<Grid>(), context.watch);
              else
                return Solver{}.refine(context.team, layer.weight, layer.template coded<Grid>(), mean_square{}, context.watch);
            }}}};
}

}  // namespace halfstep
