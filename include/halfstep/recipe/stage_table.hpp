// What can be done to a layer after rounding to nearest, by runtime names.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <halfstep/core/error.hpp>
#include <halfstep/core/matrix_view.hpp>
#include <halfstep/core/random.hpp>
#include <halfstep/exec/any_host.hpp>
#include <halfstep/kernel/bias_correction.hpp>
#include <halfstep/layout/group_geometry.hpp>
#include <halfstep/objective/hessian.hpp>
#include <halfstep/objective/hessian_factor.hpp>
#include <halfstep/objective/low_rank_hessian.hpp>
#include <halfstep/recipe/recipe.hpp>
#include <halfstep/recipe/solve_options.hpp>
#include <halfstep/solver/concept.hpp>
#include <halfstep/solver/mean_flip.hpp>
#include <halfstep/solver/scale_search.hpp>

namespace halfstep {

/// A layer in memory, in the basis of its codes: weight [M, N] in FP32, codes of the grid that the stage was looked up for, and
/// the scales of their groups.
struct layer_matrices {
  host_view<float const> weight;
  void* codes;  ///< [M, N] of the grid's code type
  host_view<float> scales;
  group_geometry geometry;

  /// Returns the codes, which are those of `Grid`, with their scales.
  template <class Grid>
  coded_matrix<Grid> coded() const {
    return {{static_cast<typename Grid::code_type*>(codes), weight.extents()}, scales, geometry};
  }
};

/// What a solver is told.
struct stage_context {
  any_host const& team;
  solve_options const& options;
  philox random;                           ///< of the layer
  std::function<bool(int, double)> watch;  ///< as `keep_going` describes; may throw
  hessian const* moments = nullptr;        ///< of the inputs, for solvers that want them
  hessian_factor<float> const* factor = nullptr;
  low_rank_hessian const* directions = nullptr;  ///< in their place, where a LoRA tells what matters
};

/// A solver under its runtime name, for codes on one grid.
struct solver_stage {
  solver_kind solver;
  grid_kind grid;
  solve_report (*refine)(layer_matrices const& layer, stage_context const& context);
  hessian_factor<float> (*factorize)(any_host const& team, hessian const& moments,
                                     factor_settings const& how) = nullptr;  ///< of solvers that take moments, by their factor
};

/// What a grid can do with whole layers.
struct grid_stages {
  grid_kind grid;
  void (*search_scales)(any_host const& team, layer_matrices const& layer, std::span<float const> column_weights,
                        scale_criterion criterion);
  std::vector<double> (*residual_mean)(any_host const& team, layer_matrices const& layer, std::span<float const> mean);
  solve_report (*flip_means)(any_host const& team, layer_matrices const& layer, std::span<float const> mean);
};

/// Returns the stages of `Grid`, under the name `kind`.
template <class Grid>
constexpr grid_stages make_grid_stages(grid_kind kind) {
  return {kind,
          [](any_host const& team, layer_matrices const& layer, std::span<float const> weights, scale_criterion criterion) {
            scale_search<Grid>{criterion}(team, layer.weight, layer.geometry, weights, layer.scales);
          },
          [](any_host const& team, layer_matrices const& layer, std::span<float const> mean) {
            return residual_mean<Grid>(team, layer.weight, layer.coded<Grid>().codes, layer.scales, layer.geometry, mean);
          },
          [](any_host const& team, layer_matrices const& layer, std::span<float const> mean) {
            return mean_flip({mean.begin(), mean.end()}).refine(team, layer.weight, layer.coded<Grid>());
          }};
}

/// Solvers and stages by their runtime names: a value that a program builds from the parts it wants.
class stage_table {
 public:
  stage_table() = default;

  /// Throws unknown_option for a gptq that does not say how it makes the factor it takes.
  stage_table(std::vector<grid_stages> grids, std::vector<solver_stage> solvers)
      : grids_(std::move(grids)), solvers_(std::move(solvers)) {
    for (auto const& row : solvers_)
      if (row.solver == solver_kind::gptq && row.factorize == nullptr)
        throw unknown_option("the solver 'gptq' of a stage table has no `factorize`: it takes the factor of a Hessian");
  }

  /// Returns what can be done on a grid. Throws unknown_option where there is nothing.
  grid_stages const& grid(grid_kind grid) const {
    auto const found = std::find_if(grids_.begin(), grids_.end(), [=](grid_stages const& row) { return row.grid == grid; });
    if (found == grids_.end()) throw unknown_option("no scale search for this grid: this build has none");
    return *found;
  }

  /// Returns whether there is a solver of that name for codes on `grid`.
  bool has(solver_kind solver, grid_kind grid) const {
    return std::any_of(solvers_.begin(), solvers_.end(),
                       [=](solver_stage const& row) { return row.solver == solver && row.grid == grid; });
  }

  /// Returns the solver of that name for codes on `grid`. Throws unknown_option with all names where there is none.
  solver_stage const& at(solver_kind solver, grid_kind grid) const {
    std::string known;
    for (auto const& row : solvers_) {
      if (row.grid != grid) continue;
      if (row.solver == solver) return row;
      known += (known.empty() ? "" : ", ") + std::string(name_of(row.solver));
    }
    throw unknown_option("no solver '" + std::string(name_of(solver)) + "': this build has " + (known.empty() ? "none" : known));
  }

 private:
  std::vector<grid_stages> grids_;
  std::vector<solver_stage> solvers_;
};

}  // namespace halfstep
