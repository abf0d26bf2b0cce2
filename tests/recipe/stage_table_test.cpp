#include <halfstep/recipe/stage_table.hpp>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace {

using namespace halfstep;

solve_report nothing(layer_matrices const&, stage_context const&) { return {}; }

TEST(StageTable, FindsASolverByItsNameAndGrid) {
  stage_table const table({}, {{solver_kind::coordinate, grid_kind::int8, nothing}});
  EXPECT_TRUE(table.has(solver_kind::coordinate, grid_kind::int8));
  EXPECT_FALSE(table.has(solver_kind::coordinate, grid_kind::e4m3));
  EXPECT_THROW(static_cast<void>(table.at(solver_kind::adamw, grid_kind::int8)), unknown_option);
  EXPECT_THROW(static_cast<void>(table.grid(grid_kind::int8)), unknown_option);
}

TEST(StageTable, RefusesAGptqThatMakesNoFactor) {
  EXPECT_THROW(stage_table({}, {{solver_kind::gptq, grid_kind::int8, nothing}}), unknown_option);
}

}  // namespace
