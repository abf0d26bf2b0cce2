// The converter's solvers and whole-layer stages, a translation unit each.
#pragma once

#include <vector>

#include <halfstep/recipe/stage_table.hpp>

namespace convert_to_quant {

halfstep::grid_stages int8_stages();
std::vector<halfstep::solver_stage> coordinate_solvers();

/// Returns every stage this program was built with.
inline halfstep::stage_table all_stages() { return {int8_stages(), coordinate_solvers()}; }

}  // namespace convert_to_quant
