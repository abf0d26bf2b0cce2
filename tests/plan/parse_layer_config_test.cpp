#include <halfstep/plan/parse_layer_config.hpp>
#include <halfstep/recipe/bases.hpp>

#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <halfstep/layout/fp16.hpp>
#include <halfstep/layout/int8_axis.hpp>
#include <halfstep/layout/int8_block.hpp>
#include <halfstep/layout/int8_tensor.hpp>
#include <halfstep/plan/plan.hpp>

#include "models.hpp"

namespace {

using halfstep::action;
using halfstep::dtype;
using halfstep::entry_bases;
using halfstep::format_error;
using halfstep::format_of;
using halfstep::layer_config;
using halfstep::layer_fate;
using halfstep::matmul_precision;
using halfstep::parse_layer_config;
using halfstep::pattern_scope;
using halfstep::plan;
using halfstep::planned_tensor;
using halfstep::recipe;
using halfstep::usage_error;
using halfstep_test::known_formats;
using halfstep_test::plan_for;
using testing::AllOf;
using testing::HasSubstr;
using testing::ThrowsMessage;

entry_bases bases(recipe run) {
  if (run.format.name.empty()) run.format = format_of<halfstep::int8_block<128>>;
  return {
      known_formats(), run, run, run, {.format = format_of<halfstep::fp8_tensor>}, {.format = format_of<halfstep::fp8_tensor>}};
}

layer_fate fate(std::string const& entry, entry_bases const& from = bases({})) {
  return parse_layer_config("{\"a\": " + entry + "}", "l.json", from).entries.at(0).fate;
}

std::string refusal(std::string const& text, entry_bases const& from = bases({})) {
  try {
    parse_layer_config(text, "l.json", from);
  } catch (usage_error const& e) {
    return e.what();
  }
  return "accepted";
}

std::string refused_entry(std::string const& entry, entry_bases const& from = bases({})) {
  return refusal("{\"a\": " + entry + "}", from);
}

TEST(LayerConfig, NamesFormats) {
  EXPECT_EQ(fate(R"({"format": "int8_blockwise"})").how.format, format_of<halfstep::int8_block<128>>);
  EXPECT_EQ(fate(R"({"format": "int8_axiswise"})").how.format, format_of<halfstep::int8_axis>);
  EXPECT_EQ(fate(R"({"format": "int8_tensorwise"})").how.format, format_of<halfstep::int8_tensor>);
  EXPECT_EQ(fate(R"({"format": "fp16"})").how.format, format_of<halfstep::fp16>);
  EXPECT_EQ(fate(R"({"format": "keep"})").what, action::keep);
  EXPECT_EQ(fate(R"({"format": "int8_axiswise", "skip": true})").what, action::keep);
  EXPECT_EQ(fate(R"({"skip": false})").what, action::quantize);
}

TEST(LayerConfig, TakesWhatAnEntryDoesNotSayFromTheRun) {
  recipe const run{.format = format_of<halfstep::int8_axis>,
                   .bases = {halfstep::convrot(64)},
                   .matmul = matmul_precision::full,
                   .scales = "mse",
                   .solver = "gptq"};
  auto const same = fate("{}", bases(run));
  EXPECT_EQ(same.how, run);
  EXPECT_EQ(same.how.scales, run.scales);
  EXPECT_EQ(same.how.solver, run.solver);
  auto with_sides = bases(run);
  with_sides.block_size = 32;
  auto const blocks = fate(R"({"scaling_mode": "block"})", with_sides).how;
  EXPECT_EQ(blocks.format, format_of<halfstep::int8_block<32>>);
  EXPECT_EQ(halfstep::rotation_group_of(blocks.bases), 0);
  EXPECT_EQ(blocks.solver, "gptq");
  auto const half = fate(R"({"format": "fp16"})", bases(run)).how;
  EXPECT_EQ(halfstep::rotation_group_of(half.bases), 0);
  EXPECT_EQ(half.solver, "none");
  EXPECT_EQ(half.matmul, matmul_precision::native);
}

TEST(LayerConfig, MeansBlockScalingByABlockSizeAlone) {
  auto const how =
      fate(R"({"block_size": 64})", bases({.format = format_of<halfstep::int8_axis>, .bases = {halfstep::convrot(256)}})).how;
  EXPECT_EQ(how, (recipe{.format = format_of<halfstep::int8_block<64>>}));
}

TEST(LayerConfig, RotatesAsItSaysElseAsTheRun) {
  auto const axis = bases({.format = format_of<halfstep::int8_axis>});
  auto const rotated = bases({.format = format_of<halfstep::int8_axis>, .bases = {halfstep::convrot(64)}});
  EXPECT_EQ(halfstep::rotation_group_of(fate(R"({"convrot": true})", axis).how.bases), 256);
  EXPECT_EQ(halfstep::rotation_group_of(fate(R"({"convrot": true, "convrot_groupsize": 16})", axis).how.bases), 16);
  EXPECT_EQ(halfstep::rotation_group_of(fate(R"({"convrot_groupsize": 16})", rotated).how.bases), 16);
  EXPECT_EQ(halfstep::rotation_group_of(fate(R"({"convrot": true})", rotated).how.bases), 64);
  EXPECT_EQ(halfstep::rotation_group_of(fate(R"({"convrot": false})", rotated).how.bases), 0);
  EXPECT_EQ(halfstep::rotation_group_of(fate(R"({"format": "int8_tensorwise"})", rotated).how.bases), 0);
}

TEST(LayerConfig, IsSimpleOrNotAsItSays) {
  recipe const searched{.scales = "mse", .solver = "gptq"};
  auto from = bases({});
  from.searched = searched;
  EXPECT_EQ(fate(R"({"simple": false})", from).how.scales, "mse");
  EXPECT_EQ(fate(R"({"simple": false})", from).how.solver, "gptq");
  EXPECT_EQ(fate(R"({"simple": true})", bases(searched)).how.scales, "absmax");
  EXPECT_EQ(fate(R"({"simple": true})", bases(searched)).how.solver, "none");
}

TEST(LayerConfig, StartsINT8EntriesOfAnFp16RunFromItsCodes) {
  auto from = bases({.format = format_of<halfstep::fp16>});
  from.codes = {.format = format_of<halfstep::int8_block<32>>, .scales = "auto"};
  EXPECT_EQ(fate("{}", from).how.format, format_of<halfstep::fp16>);
  EXPECT_EQ(fate(R"({"scaling_mode": "row"})", from).how.format, format_of<halfstep::int8_axis>);
  EXPECT_EQ(fate(R"({"format": "int8_tensorwise"})", from).how.scales, "auto");
}

TEST(LayerConfig, RefusesEntriesByFilePatternAndKey) {
  EXPECT_EQ(refused_entry(R"({"bits": 8})").find("`layers` 'l.json': its entry 'a' has the unknown key 'bits'; known: format"),
            0u);
  EXPECT_THAT(refused_entry(R"({"format": "int4"})"),
              AllOf(HasSubstr("unknown format 'int4'"), HasSubstr("int8_axiswise, int8_tensor")));
  EXPECT_THAT(refused_entry(R"({"format": 8})"), HasSubstr("format that is no text"));
  EXPECT_THAT(refused_entry(R"({"format": "int8_axiswise", "scaling_mode": "block"})"),
              HasSubstr("scaling_mode that it does not"));
  EXPECT_THAT(refused_entry(R"({"scaling_mode": "diagonal"})"), HasSubstr("'diagonal'"));
  EXPECT_THAT(refused_entry(R"({"block_size": 100})"), HasSubstr("block_size 100"));
  EXPECT_THAT(refused_entry(R"({"block_size": 64.5})"), HasSubstr("no whole number"));
  EXPECT_THAT(refused_entry(R"({"block_size": 4294967360})"), HasSubstr("power of two"));
  EXPECT_THAT(refused_entry(R"({"format": "int8_axiswise", "block_size": 64})"), HasSubstr("has no blocks"));
  EXPECT_THAT(refused_entry(R"({"format": "fp16", "block_size": 64})"), HasSubstr("fp16 has no blocks"));
  EXPECT_THAT(refused_entry(R"({"format": "keep", "block_size": 64})"), HasSubstr("keeps its layers"));
  EXPECT_THAT(refused_entry(R"({"format": "fp16", "simple": true})"), HasSubstr("simple"));
  EXPECT_THAT(refused_entry(R"({"format": "fp16", "full_precision_matrix_mult": true})"), HasSubstr("no marker"));
  EXPECT_THAT(refused_entry(R"({"convrot": true})"), HasSubstr("needs int8_axiswise"));
  EXPECT_THAT(refused_entry(R"({"convrot_groupsize": 64})"), HasSubstr("no convrot"));
  EXPECT_THAT(refused_entry(R"({"format": "int8_axiswise", "convrot": true, "convrot_groupsize": 128})"), HasSubstr("128"));
  EXPECT_THAT(refused_entry(R"({"simple": 1})"), HasSubstr("neither true nor false"));
  EXPECT_THAT(refused_entry(R"({"skip": null})"), HasSubstr("neither true nor false"));
  EXPECT_THAT(refused_entry("\"fp16\""), HasSubstr("no object"));
}

TEST(LayerConfig, RefusesWhatIsNoConfiguration) {
  EXPECT_THAT(refusal(""), HasSubstr("broken"));
  EXPECT_THAT(refusal("{\"a\": {}"), HasSubstr("broken at byte"));
  EXPECT_THAT(refusal("[]"), HasSubstr("no object of expressions"));
  EXPECT_THAT(refusal("{}"), HasSubstr("no entry"));
  EXPECT_THAT(refusal(R"({"_comment": "x"})"), HasSubstr("no entry"));
  EXPECT_THAT(refusal(R"({"a": {}, "a": {}})"), HasSubstr("'a' occurs twice"));
  EXPECT_THAT(refusal(R"({"a": {"skip": true, "skip": true}})"), HasSubstr("'skip' occurs twice"));
  EXPECT_THAT(refusal("{\"a\": {}} x"), HasSubstr("follows its JSON"));
  EXPECT_THAT(refusal(std::string(40, '[')), HasSubstr("broken"));
  EXPECT_THAT(refusal(std::string(halfstep::max_layer_config_bytes + 1, ' ')), HasSubstr("more than 1048576"));
}

TEST(LayerConfig, TakesKeysWithAnUnderscoreForNoPatterns) {
  auto const config = parse_layer_config(R"({"_comment": ["any", 1], "_default": {"format": "keep"}, "a": {}})", "l", bases({}));
  EXPECT_EQ(config.entries.size(), 1u);
  ASSERT_TRUE(config.otherwise.has_value());
  EXPECT_EQ(config.otherwise->what, action::keep);
}

/// A plan of these layers by a configuration, and what it made of each.
struct configured {
  explicit configured(std::string const& text, pattern_scope scope = pattern_scope::part_of_layer,
                      halfstep::plan_options options = {.rules = halfstep::rule_source::none}) {
    options.layers = parse_layer_config(text, "l", bases(options.target), scope);
    made = plan_for(halfstep_test::header_of({{"net.blocks.0.attn.weight", dtype::f32, {256, 256}},
                                              {"net.blocks.1.attn.weight", dtype::f32, {256, 256}},
                                              {"net.blocks.1.mlp.weight", dtype::f32, {256, 256}},
                                              {"net.blocks.1.mlp.bias", dtype::f32, {256}},
                                              {"net.odd.weight", dtype::f32, {100, 256}},
                                              {"net.norm.weight", dtype::f32, {256}}}),
                    options);
  }

  std::string of(std::string const& layer) const {
    for (planned_tensor const& t : made.tensors)
      if (t.input.name == "net." + layer) return t.what == action::quantize ? to_string(t.how) : "keep";
    return "no such layer";
  }

  plan made;
};

TEST(LayerConfig, OrdersByNumberThenLengthThenPlaceInTheFile) {
  configured const c(R"({"a": {"block_size": 16}, "blocks\\.1\\.": {"block_size": 32}, "attn_*": {"block_size": 64},
                         "net.b.*attn": {"block_size": 128}, "lp$": {"format": "fp16"}, "odd": {"skip": true}})");
  EXPECT_EQ(c.of("blocks.0.attn.weight"), "int8_blockwise 128");
  EXPECT_EQ(c.of("blocks.1.attn.weight"), "int8_blockwise 32");
  EXPECT_EQ(c.of("blocks.1.mlp.weight"), "int8_blockwise 32");
  EXPECT_EQ(c.of("odd.weight"), "keep");
  configured const tie(R"({"tn$": {"block_size": 16}, "at": {"block_size": 32}, "od": {"skip": true}})");
  EXPECT_EQ(tie.of("blocks.0.attn.weight"), "int8_blockwise 16");
}

TEST(LayerConfig, SearchesInTheNameWithoutItsEndingOrMatchesAllOfIt) {
  configured const part(R"({"attn$": {"format": "fp16"}, "odd": {"skip": true}})");
  EXPECT_EQ(part.of("blocks.0.attn.weight"), "fp16");
  EXPECT_THAT([] { configured(R"({"attn\\.weight": {"format": "fp16"}})"); },
              ThrowsMessage<format_error>(HasSubstr("attn\\.weight")));
  configured const whole(R"({"net\\.blocks\\.\\d+\\.attn": {"format": "fp16"}})", pattern_scope::whole_layer);
  EXPECT_EQ(whole.of("blocks.1.attn.weight"), "fp16");
  EXPECT_THAT([] { configured(R"({"attn": {"format": "fp16"}})", pattern_scope::whole_layer); },
              ThrowsMessage<format_error>(HasSubstr("it has 'attn', and nearest in the model is ")));
}

TEST(LayerConfig, RefusesAllPatternsThatMatchNothingOrAreNone) {
  EXPECT_THAT([] { configured(R"({"nowhere": {}, "attn": {}, "norm": {"block_size": 16}, "never": {"skip": true}})"); },
              ThrowsMessage<usage_error>(AllOf(HasSubstr("'nowhere'"), HasSubstr("'norm'"), HasSubstr("'never'"))));
  EXPECT_NO_THROW(configured(R"({"norm": {"skip": true}})"));
  EXPECT_THAT([] { configured(R"({"a(b": {}})"); },
              ThrowsMessage<usage_error>(HasSubstr("`layers` 'a(b' is no regular expression")));
  EXPECT_THAT([] { configured("{\"" + std::string(1001, 'a') + "\": {}}"); },
              ThrowsMessage<usage_error>(HasSubstr("at most 1000")));
}

TEST(LayerConfig, RefusesLayersThatTheirRecipeCannotStore) {
  EXPECT_THAT([] { configured(R"({"odd": {"block_size": 64}})"); },
              ThrowsMessage<usage_error>(HasSubstr("'net.odd.weight' [100, 256] is not divisible by blocks of 64")));
}

TEST(LayerConfig, GivesItsDefaultToWhatTheRulesQuantizeAndNoFlagNames) {
  configured const c(R"({"_default": {"format": "keep"}, "attn": {"format": "int8_axiswise"}})");
  EXPECT_EQ(c.of("blocks.0.attn.weight"), "int8_axiswise");
  EXPECT_EQ(c.of("blocks.1.mlp.weight"), "keep");
}

TEST(LayerConfig, LetsFlagsAndTheFamilyKeepWhatItsDefaultWouldTake) {
  halfstep::plan_options options{.rules = halfstep::rule_source::none, .exclude = {"blocks.0"}, .include = {"odd"}};
  options.target.format = format_of<halfstep::int8_axis>;
  configured const c(R"({"_default": {"format": "int8_tensorwise"}})", pattern_scope::part_of_layer, options);
  EXPECT_EQ(c.of("blocks.0.attn.weight"), "keep");
  EXPECT_EQ(c.of("odd.weight"), "int8_axiswise");
  EXPECT_EQ(c.of("blocks.1.mlp.weight"), "int8_tensorwise");
}

TEST(LayerConfig, SpeaksBeforeEveryOtherFlag) {
  halfstep::plan_options options{.rules = halfstep::rule_source::none, .exclude = {"attn"}, .include = {"attn"}};
  options.custom = {{"attn", {.format = format_of<halfstep::fp16>}}};
  configured const c(R"({"attn": {"format": "int8_axiswise"}, "odd": {"skip": true}, "mlp": {"skip": true}})",
                     pattern_scope::part_of_layer, options);
  EXPECT_EQ(c.of("blocks.0.attn.weight"), "int8_axiswise");
  EXPECT_EQ(c.of("blocks.1.mlp.weight"), "keep");
}

}  // namespace
