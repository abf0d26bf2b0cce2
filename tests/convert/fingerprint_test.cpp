#include <halfstep/convert/fingerprint.hpp>
#include <halfstep/layout/fp16.hpp>
#include <halfstep/layout/int8_axis.hpp>
#include <halfstep/layout/int8_block.hpp>

#include <functional>
#include <set>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "scene.hpp"

namespace {

using halfstep::chosen_facts;
using halfstep::fingerprint;
using testing::ElementsAre;
using testing::IsEmpty;
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

TEST(Fingerprint, IsTheSameForTheSameRun) {
  fingerprint const one{{{"the input", "5 bytes"}}, chosen_facts(planned(block), 0, {}), {{"`exclude`", "zz\xe9"}}};
  EXPECT_THAT(one.changed_inputs(one), IsEmpty());
  EXPECT_THAT(one.changed_choices(one), IsEmpty());
  auto const back = halfstep::parse_fingerprint(serialize(one));
  ASSERT_TRUE(back) << "flags need not be UTF-8";
  EXPECT_EQ(back->inputs, one.inputs);
  EXPECT_EQ(back->chosen, one.chosen);
  EXPECT_EQ(back->asked, one.asked);
  EXPECT_FALSE(halfstep::parse_fingerprint("{\"inputs\": []}"));
  EXPECT_FALSE(halfstep::parse_fingerprint("{"));
}

TEST(Fingerprint, NamesWhatDiffers) {
  fingerprint const before{{{"the input", "5 bytes"}}, {{"the version", "1"}, {"the plan", "x"}, {"`rate`", "1"}}, {}};
  auto now = before;
  now.inputs = {{"the input", "7 bytes"}};
  EXPECT_THAT(before.changed_inputs(now), ElementsAre("the input was 5 bytes and is 7 bytes"));
  EXPECT_THAT(before.changed_choices(now), IsEmpty());
  now = before;
  now.chosen[0].second = "2";
  now.chosen[2].second = "3";
  EXPECT_THAT(before.changed_choices(now), ElementsAre("the version was 1 and is 2", "`rate` was 1 and is 3"));
  now.asked = {{"`rotation`", ""}};
  EXPECT_THAT(before.changed_choices(now), ElementsAre("the version was 1 and is 2", "`rate` was 1 and is 3"))
      << "a flag that changed no plan hides nothing";
}

TEST(Fingerprint, NamesFilesThatComeAndGoByTheirFlags) {
  fingerprint const before{{{"the input", "5 bytes"}}, {{"the plan", "x"}}, {}};
  auto now = before;
  now.inputs.emplace_back("the LoRA", "6 bytes");
  EXPECT_THAT(before.changed_inputs(now), IsEmpty());
  EXPECT_THAT(before.changed_choices(now), ElementsAre("the LoRA 6 bytes is new"));
  EXPECT_THAT(now.changed_choices(before), ElementsAre("the LoRA 6 bytes is gone"));
  now.asked = {{"--merge-lora", "a"}};
  EXPECT_THAT(before.changed_choices(now), ElementsAre("--merge-lora a is new"));
}

TEST(Fingerprint, NamesTheFlagsOfAUserWhereTheyMatter) {
  fingerprint const before{{}, {{"the plan", "x"}}, {{"`rotation`", ""}, {"--scaling-mode", "axis"}}};
  auto now = before;
  now.asked = {{"--scaling-mode", "block"}, {"--simple", ""}};
  EXPECT_THAT(before.changed_choices(now), IsEmpty()) << "the same output, however it was asked for";
  now.chosen[0].second = "y";
  now.chosen.emplace_back("`rate`", "1");  // follows from the plan
  EXPECT_THAT(before.changed_choices(now),
              ElementsAre("--scaling-mode was axis and is block", "`rotation` is gone", "--simple is new"));
  now.asked = before.asked;
  EXPECT_THAT(before.changed_choices(now), ElementsAre("the plan was x and is y"));
}

TEST(Fingerprint, TellsEveryRecipeApart) {
  std::vector<halfstep::recipe> all(12, block);
  all[1].format = halfstep::format_of<halfstep::int8_axis>;
  all[2].format = halfstep::format_of<halfstep::int8_block<32>>;
  all[3] = {.format = halfstep::format_of<halfstep::int8_axis>, .rotation_group = 16};
  all[4].rounding = "stochastic";
  all[5].matmul = halfstep::matmul_precision::full;
  all[6].scales = "bounded";
  all[7].scales = "mse";
  all[8].solver = "coordinate";
  all[9].solver = "gptq";
  all[10].basis = halfstep::storage_basis::incoherent;
  all[11].format = halfstep::format_of<halfstep::fp16>;
  std::set<std::string> facts;
  for (auto const& how : all) facts.insert(halfstep::detail::plan_fact(planned(how)));
  EXPECT_EQ(facts.size(), all.size());
  auto smoothed = planned(block);
  for (double const alpha : {0.5, 0.25}) {
    for (auto& t : smoothed.tensors) t.how.smoothing = alpha;
    EXPECT_TRUE(facts.insert(halfstep::detail::plan_fact(smoothed)).second);
  }
  auto corrected = planned(block);
  for (auto& t : corrected.tensors) t.added.bias = halfstep::dtype::f32;
  EXPECT_TRUE(facts.insert(halfstep::detail::plan_fact(corrected)).second);
  auto decoded = planned(block);
  for (auto& t : decoded.tensors) t.coded = halfstep::code_source{.scales = "s", .group = {1, 2}, .rotation_group = 0};
  EXPECT_TRUE(facts.insert(halfstep::detail::plan_fact(decoded)).second);
}

TEST(Fingerprint, HoldsEveryNumberThatSolversRead) {
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
    EXPECT_EQ(halfstep::detail::changed_facts(before, chosen_facts(what, 0, changed)).size(), 1u);
  }
  EXPECT_EQ(changes.size(), before.size() - 3) << "beside the version, the plan and the seed";
  EXPECT_THAT(halfstep::detail::changed_facts(before, chosen_facts(what, 5, {})), ElementsAre("the seed was 0 and is 5"));
}

TEST(Fingerprint, LeavesOutWhatChangesNothing) {
  auto const what = planned(block);
  halfstep::solve_options other;
  other.iterations = 7;
  EXPECT_EQ(chosen_facts(what, 0, {}), chosen_facts(what, 5, other)) << "nothing is solved, nothing is random";
}

TEST(Fingerprint, TellsFilesBySizeAndTime) {
  EXPECT_EQ(halfstep::file_fact({1, 2, 345, 1'500'000'000'000'000'123}), "345 bytes of 2017-07-14 02:40:00.000000123 UTC");
  EXPECT_EQ(halfstep::file_fact({1, 2, 0, -1}), "0 bytes of 1969-12-31 23:59:59.999999999 UTC");
}

TEST(Fingerprint, TellsTrainingsOfOneModelApart) {
  halfstep_test::scratch_folder const folder;
  std::set<std::string> facts;
  for (std::uint64_t const seed : {1, 2}) {
    halfstep_test::write_model(folder.file("m"), {halfstep_test::weight<float>("a.weight", {64, 64}, seed)});
    facts.insert(halfstep::sample_fact(st::reader(folder.file("m"))));
    facts.insert(halfstep::sample_fact(st::reader(folder.file("m"))));
  }
  EXPECT_EQ(facts.size(), 2u);
}

}  // namespace
