// The converter's solvers and whole-layer stages, a translation unit each.
#pragma once

#include <vector>

#include <halfstep/recipe/stage_table.hpp>

namespace convert_to_quant {

halfstep::stage_table stages_of_grids();
std::vector<halfstep::solver_row> coordinate_solvers();
std::vector<halfstep::solver_row> gradient_solvers();
std::vector<halfstep::solver_row> feedback_solvers();

/// Returns every stage this program was built with.
inline halfstep::stage_table all_stages() {
  halfstep::stage_table all = stages_of_grids();
  all.add(coordinate_solvers());
  all.add(gradient_solvers());
  all.add(feedback_solvers());
  return all;
}

}  // namespace convert_to_quant
