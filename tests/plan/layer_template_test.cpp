#include <halfstep/plan/layer_template.hpp>
#include <halfstep/recipe/bases.hpp>

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <halfstep/layout/fp16.hpp>
#include <halfstep/layout/int8_axis.hpp>
#include <halfstep/layout/int8_block.hpp>
#include <halfstep/layout/int8_tensor.hpp>
#include <halfstep/plan/parse_layer_config.hpp>
#include <halfstep/plan/plan.hpp>

#include "models.hpp"

namespace {

using halfstep::action;
using halfstep::dtype;
using halfstep::format_of;
using halfstep::layer_template;
using halfstep::marker_style;
using halfstep::plan;
using halfstep::plan_options;
using halfstep::recipe;
using halfstep::rule_source;
using halfstep_test::header_of;
using halfstep_test::plan_for;
using testing::HasSubstr;

halfstep::layer_config parsed(std::string const& text, recipe run) {
  if (run.format.name.empty()) run.format = format_of<halfstep::int8_block<128>>;
  return halfstep::parse_layer_config(text, "template",
                                      {.formats = halfstep_test::known_formats(), .run = run, .codes = run, .searched = run});
}

void expect_same(plan const& a, plan const& b, std::string const& where) {
  ASSERT_EQ(a.tensors.size(), b.tensors.size()) << where;
  for (std::size_t i = 0; i < a.tensors.size(); ++i) {
    auto const& x = a.tensors[i];
    auto const& y = b.tensors[i];
    ASSERT_EQ(x.what, y.what) << where << ": " << x.input.name << ", " << y.reason;
    ASSERT_EQ(x.how, y.how) << where << ": " << x.input.name << ", " << to_string(x.how) << ", " << to_string(y.how);
    ASSERT_EQ(x.how.scales == "absmax", y.how.scales == "absmax") << where << ": " << x.input.name;
  }
  ASSERT_EQ(serialize(a.output), serialize(b.output)) << where;
}

/// Expects that the template of the plan gives that plan, beside the same options and beside those alone that it cannot say.
void expect_round_trip(halfstep::safetensors::header const& input, plan_options options, std::string const& where) {
  plan const wanted = plan_for(input, options);
  std::string const text = layer_template(wanted);
  plan_options few{.markers = options.markers, .rules = options.rules, .families = options.families};
  few.target.scales = "auto";
  few.target.rounding = options.target.rounding;
  few.layers = parsed(text, few.target);
  expect_same(wanted, plan_for(input, few), where + ", beside few flags");
  options.layers = parsed(text, options.target);
  expect_same(wanted, plan_for(input, options), where + ", beside the same flags");
}

/// Layers of every kind: blocks that differ in shape, names that need escapes, names of layers that are tensors too.
halfstep::safetensors::header odd_model() {
  return header_of({{"blocks.0.attn.weight", dtype::f32, {256, 256}},
                    {"blocks.1.attn.weight", dtype::f32, {256, 320}},
                    {"blocks.2.attn.weight", dtype::f32, {256, 300}},
                    {"blocks.3.attn.weight", dtype::f16, {256, 256}},
                    {"blocks.4.attn.weight", dtype::f32, {256}},
                    {"blocks.5.attn.weight", dtype::f32, {0, 256}},
                    {"blocks.6.attn.weight", dtype::f32, {300, 512}},
                    {"blocks.7.attn", dtype::f32, {512, 512}},
                    {"blocks.8.attn", dtype::f32, {4}},
                    {"blocks.8.attn.weight", dtype::f32, {512, 512}},
                    {"blocks.0.attn.bias", dtype::f32, {256}},
                    {"a(b.1.c+.weight", dtype::f32, {256, 256}},
                    {"a(b.2.c+.weight", dtype::f32, {256, 256}},
                    {"a(b.*.c+.weight", dtype::f32, {128, 256}},
                    {"decoder.0.x.weight", dtype::bf16, {256, 256}},
                    {"decoder.1.x.weight", dtype::bf16, {256, 256}},
                    {"decoder.1.x.norm", dtype::bf16, {256}},
                    {"step", dtype::i64, {}}});
}

std::vector<std::pair<std::string, plan_options>> combinations() {
  std::vector<std::pair<std::string, plan_options>> all;
  std::vector<std::pair<std::string, recipe>> const recipes{
      {"block 128", {}},
      {"block 64, searched", {.format = format_of<halfstep::int8_block<64>>, .scales = "auto"}},
      {"axis", {.format = format_of<halfstep::int8_axis>}},
      {"axis rotated", {.format = format_of<halfstep::int8_axis>, .bases = {halfstep::convrot(256)}, .scales = "auto"}},
      {"axis rotated by 16, full",
       {.format = format_of<halfstep::int8_axis>, .bases = {halfstep::convrot(16)}, .matmul = halfstep::matmul_precision::full}},
      {"tensor, solved", {.format = format_of<halfstep::int8_tensor>, .scales = "mse", .solver = "gptq"}},
      {"stochastic", {.rounding = "stochastic"}},
      {"fp16", {.format = format_of<halfstep::fp16>}}};
  for (auto const& [name, how] : recipes) {
    all.emplace_back(name, plan_options{.target = how});
    all.emplace_back(name + ", no rules", plan_options{.target = how, .markers = marker_style::none, .rules = rule_source::none});
    plan_options flags{.target = how, .markers = marker_style::fork};
    flags.exclude = {"blocks?\\.[02]\\.|qkv"};
    flags.fallback = recipe{.format = format_of<halfstep::int8_tensor>, .rounding = how.rounding};
    flags.custom = {
        {"\\.[13]\\.", {.format = format_of<halfstep::int8_axis>, .bases = {halfstep::convrot(64)}, .rounding = how.rounding}}};
    flags.sizes = halfstep::size_rule::heuristic;
    all.emplace_back(name + ", flags", flags);
  }
  return all;
}

TEST(LayerTemplate, ReproducesThePlansOfRealModels) {
  for (auto const* model : {"flux1_dev", "t5xxl_encoder", "wan21_14b", "qwen_image", "z_image"}) {
    auto const input = halfstep_test::model(model);
    for (auto const& [name, options] : combinations()) expect_round_trip(input, options, model + (", " + name));
  }
}

TEST(LayerTemplate, ReproducesThePlanOfAnOddModel) {
  for (auto [name, options] : combinations()) expect_round_trip(odd_model(), options, name);
}

TEST(LayerTemplate, SaysWhatIsKeptOfWhatTheFamilyWouldRemove) {
  plan_options options{.target = {.format = format_of<halfstep::int8_axis>}, .rules = rule_source::named, .families = {"t5xxl"}};
  expect_round_trip(odd_model(), options, "removed");
  options.include = {"decoder\\.1"};
  expect_round_trip(odd_model(), options, "brought back");
  EXPECT_THAT(layer_template(plan_for(odd_model(), options)),
              HasSubstr("\n  \"^decoder\\\\.1\\\\.x\\\\.norm$\": {\"format\": \"keep\"}"));
}

TEST(LayerTemplate, SharesAnEntryBetweenBlocksAndGivesOneToWhatDiffers) {
  auto const input = header_of({{"net.blocks.0.q.weight", dtype::f32, {256, 256}},
                                {"net.blocks.1.q.weight", dtype::f32, {256, 256}},
                                {"net.blocks.2.q.weight", dtype::f32, {256, 320}},
                                {"net.head.weight", dtype::f32, {256, 256}}});
  auto const p = plan_for(input, {.target = {.format = format_of<halfstep::int8_axis>, .bases = {halfstep::convrot(256)}},
                                  .rules = rule_source::none});
  EXPECT_EQ(layer_template(p), R"({
  "_about": "no rules: every 2-D weight; give this file to `layers`, beside `markers`",
  "_default": {"format": "keep"},
  "^net\\.blocks\\.\\d+\\.q$": {"format": "int8_axiswise", "convrot": true, "convrot_groupsize": 256, "simple": true},
  "^net\\.blocks\\.2\\.q$": {"format": "int8_axiswise", "convrot": true, "convrot_groupsize": 64, "simple": true},
  "^net\\.head$": {"format": "int8_axiswise", "convrot": true, "convrot_groupsize": 256, "simple": true}
}
)");
}

TEST(LayerTemplate, StaysShortForALargeModel) {
  auto const text = layer_template(plan_for(halfstep_test::model("flux1_dev"), {}));
  EXPECT_LT(std::count(text.begin(), text.end(), '\n'), 20);
}

TEST(LayerTemplate, RefusesNamesThatNoExpressionCanHold) {
  auto const input = header_of({{std::string(1000, 'x') + ".weight", dtype::f32, {256, 256}}});
  EXPECT_THAT([&] { layer_template(plan_for(input, {.rules = rule_source::none})); },
              testing::ThrowsMessage<halfstep::usage_error>(HasSubstr("too long for an expression")));
}

}  // namespace
