#include <halfstep/recipe/stage_table.hpp>

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <halfstep/exec/any_host.hpp>
#include <halfstep/exec/serial.hpp>
#include <halfstep/layout/e4m3_grid.hpp>
#include <halfstep/layout/symmetric_grid.hpp>
#include <halfstep/objective/hessian_factor.hpp>
#include <halfstep/recipe/make_stages.hpp>

#include "../support/weights.hpp"

namespace {

using namespace halfstep;
using halfstep_test::message_of;

solve_report nothing(layer_matrices const&, stage_context const&) { return {}; }
hessian_factor<float> factor(any_host const& team, hessian const& moments, factor_settings const& how) {
  return hessian_factor<float>(team, moments, how);
}

/// Somebody's solver: it sets every code to the last of the grid.
struct loudest {
  static constexpr std::string_view name = "loudest";
  template <class Executor, class Grid, class Watch = keep_going>
  solve_report refine(Executor const&, host_view<float const>, coded_matrix<Grid> const& q, Watch const& = {}) const {
    for (index_t i = 0; i < q.codes.extents().count(); ++i)
      q.codes.data()[i] = static_cast<typename Grid::code_type>(static_cast<int>(Grid::last));
    return {.moved = q.codes.extents().count()};
  }
};

using int8_grid = symmetric_grid<127>;

stage_table table() {
  std::vector<solver_row> const solvers{{"coordinate", "int8", nothing}, {"gptq", "int8", nothing, factor}};
  return stage_table(solvers, make_solver<loudest, int8_grid>(), make_scale_searches<int8_grid>(), make_grid<int8_grid>());
}

TEST(StageTable, FindsASolverByItsNameAndGrid) {
  EXPECT_EQ(table().solver("coordinate", "int8")->name, "coordinate");
  EXPECT_EQ(table().solver("none", "int8"), nullptr);
  std::string const said = message_of([] { static_cast<void>(table().solver("adamw", "int8")); });
  EXPECT_THAT(said, testing::HasSubstr("no solver 'adamw': this build has coordinate, gptq, loudest"));
  EXPECT_THROW(static_cast<void>(table().solver("coordinate", "e4m3")), unknown_option);
}

TEST(StageTable, TakesTheFirstSolverOfMomentsForAuto) {
  auto const all = table();
  EXPECT_EQ(all.solver("auto", "int8")->name, "gptq");
  EXPECT_EQ(all.solver("auto", "e4m3"), nullptr);
  EXPECT_THAT(all.moment_solvers(), testing::ElementsAre("gptq", "auto"));
}

TEST(StageTable, TakesTheScaleSearchThatSuitsWhatIsKnownForAuto) {
  auto const all = table();
  EXPECT_EQ(all.scale_search("absmax", "int8", column_weight::inputs), nullptr);
  EXPECT_EQ(all.scale_search("auto", "int8", column_weight::inputs)->name, "mse");
  EXPECT_EQ(all.scale_search("auto", "int8", column_weight::energy)->name, "bounded");
  EXPECT_EQ(all.scale_search("mse", "int8", column_weight::energy)->name, "mse");
  EXPECT_EQ(all.scale_search("auto", "e4m3", column_weight::energy), nullptr);
  EXPECT_THROW(static_cast<void>(all.scale_search("least", "int8", column_weight::energy)), unknown_option);
}

TEST(StageTable, KnowsWhichGridsItHas) {
  EXPECT_TRUE(table().has_grid("int8"));
  EXPECT_FALSE(table().has_grid("e4m3"));
  EXPECT_THROW(static_cast<void>(table().grid("e4m3")), unknown_option);
}

TEST(StageTable, RunsASolverOfSomebodyElses) {
  std::vector<float> const weight(8, 0.5f);
  std::vector<std::int8_t> codes(8, 0);
  std::vector<float> scales(1, 1.0f);
  extents2 const e{2, 4};
  serial const ex;
  any_host const team(ex);
  solve_options const options;
  auto const all = table();
  auto const report = all.solver("loudest", "int8")
                          ->refine({{weight.data(), e}, codes.data(), {scales.data(), {1, 1}}, {e, 2, 4}},
                                   {team, options, philox(0), [](int, double) { return true; }});
  EXPECT_EQ(report.moved, 8);
  EXPECT_THAT(codes, testing::Each(127));
}

}  // namespace
