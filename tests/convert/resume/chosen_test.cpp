#include <halfstep/convert/resume/chosen.hpp>
#include <halfstep/layout/fp16.hpp>
#include <halfstep/layout/int8_axis.hpp>
#include <halfstep/layout/int8_block.hpp>
#include <halfstep/recipe/bases.hpp>

#include <cstdint>
#include <functional>
#include <set>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <halfstep/plan/plan.hpp>

namespace {

using halfstep::chosen_facts;
using testing::ElementsAre;
namespace st = halfstep::safetensors;

st::header model() {
  return st::arrange({{"a.weight", halfstep::dtype::bf16, {64, 64}}, {"a.bias", halfstep::dtype::f32, {64}}}, {});
}

halfstep::plan planned(halfstep::recipe const& how) {
  halfstep::plan_options options;
  options.target = how;
  options.rules = halfstep::rule_source::none;
  options.markers = halfstep::marker_style::none;
  return halfstep::make_plan(model(), options);
}

halfstep::recipe const block{.format = halfstep::format_of<halfstep::int8_block<64>>};

TEST(PlanDigest, TellsEveryRecipeApart) {
  std::vector<halfstep::recipe> all(12, block);
  all[1].format = halfstep::format_of<halfstep::int8_axis>;
  all[2].format = halfstep::format_of<halfstep::int8_block<32>>;
  all[3] = {.format = halfstep::format_of<halfstep::int8_axis>, .bases = {halfstep::convrot(16)}};
  all[4].rounding = "stochastic";
  all[5].matmul = halfstep::matmul_precision::full;
  all[6].scales = "bounded";
  all[7].scales = "mse";
  all[8].solver = "coordinate";
  all[9].solver = "gptq";
  all[10].bases = {halfstep::incoherent()};
  all[11].format = halfstep::format_of<halfstep::fp16>;
  std::set<std::uint64_t> facts;
  for (auto const& how : all) facts.insert(halfstep::plan_digest(planned(how)));
  EXPECT_EQ(facts.size(), all.size());
  auto smoothed = planned(block);
  for (double const alpha : {0.5, 0.25}) {
    for (auto& t : smoothed.tensors) t.how.bases = {halfstep::smoothquant(alpha)};
    EXPECT_TRUE(facts.insert(halfstep::plan_digest(smoothed)).second);
  }
  auto corrected = planned(block);
  for (auto& t : corrected.tensors) t.added.bias = halfstep::dtype::f32;
  EXPECT_TRUE(facts.insert(halfstep::plan_digest(corrected)).second);
  auto decoded = planned(block);
  for (auto& t : decoded.tensors) t.coded = halfstep::code_source{.scales = "s", .group = {1, 2}};
  EXPECT_TRUE(facts.insert(halfstep::plan_digest(decoded)).second);
}

TEST(Chosen, HoldsEveryNumberThatSolversRead) {
  halfstep::recipe solved = block;
  solved.solver = "adamw";
  auto const what = planned(solved);
  auto const before = chosen_facts(what, 0, {});
  using options = halfstep::solve_options;
  std::vector<std::function<void(options&)>> const changes{
      [](options& o) { o.sqnr_budget_db = 0.2; },
      [](options& o) { o.top_p = 0.3; },
      [](options& o) { o.min_k = 2; },
      [](options& o) { o.max_k = 99; },
      [](options& o) { o.svd = halfstep::svd_kind::exact; },
      [](options& o) { o.iterations = 7; },
      [](options& o) { o.rate = 0.1; },
      [](options& o) { o.schedule = halfstep::schedule_kind::plateau; },
      [](options& o) { o.rate_gamma = 0.5; },
      [](options& o) { o.rate_patience = 2; },
      [](options& o) { o.rate_factor = 0.5; },
      [](options& o) { o.rate_min = 0.5; },
      [](options& o) { o.rate_cooldown = 1; },
      [](options& o) { o.rate_threshold = 0.1; },
      [](options& o) { o.rate_threshold_mode = halfstep::threshold_mode::absolute; },
      [](options& o) { o.rate_shape_influence = 0.5; },
      [](options& o) { o.reset = halfstep::adaptive_reset::no_reset; },
      [](options& o) { o.stop_loss = 1.0; },
      [](options& o) { o.stop_rate = 1.0; },
      [](options& o) { o.stop_stall = 1; },
      [](options& o) { o.feedback.damping = 0.5; },
      [](options& o) { o.feedback.order = halfstep::column_order::stored; },
      [](options& o) { o.quip_seed = 1; }};
  for (auto const& change : changes) {
    options changed;
    change(changed);
    EXPECT_THAT(before.changed_choices(chosen_facts(what, 0, changed)), testing::SizeIs(1));
  }
  EXPECT_EQ(changes.size(), before.numbers.size() + 1) << "beside the numbers, the seed of the signs";
  EXPECT_THAT(before.changed_choices(chosen_facts(what, 5, {})), ElementsAre("the seed was 0 and is 5"));
}

TEST(Chosen, LeavesOutWhatChangesNothing) {
  auto const what = planned(block);
  halfstep::solve_options other;
  other.iterations = 7;
  EXPECT_EQ(chosen_facts(what, 0, {}), chosen_facts(what, 5, other)) << "nothing is solved, nothing is random";
}

}  // namespace
