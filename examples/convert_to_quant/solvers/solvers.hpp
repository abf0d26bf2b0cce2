// The converter's solvers and whole-layer stages, a translation unit each.
#pragma once

#include <utility>
#include <vector>

#include <halfstep/recipe/stage_table.hpp>

namespace convert_to_quant {

std::vector<halfstep::grid_stages> stages_of_grids();
std::vector<halfstep::solver_stage> coordinate_solvers();
std::vector<halfstep::solver_stage> gradient_solvers();
std::vector<halfstep::solver_stage> feedback_solvers();

/// Returns every stage this program was built with.
inline halfstep::stage_table all_stages() {
  auto solvers = coordinate_solvers();
  for (auto const& row : gradient_solvers()) solvers.push_back(row);
  for (auto const& row : feedback_solvers()) solvers.push_back(row);
  return {stages_of_grids(), std::move(solvers)};
}

}  // namespace convert_to_quant
