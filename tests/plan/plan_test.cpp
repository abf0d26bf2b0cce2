#include <halfstep/plan/plan.hpp>
#include <halfstep/recipe/bases.hpp>

#include <algorithm>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <halfstep/layout/fp16.hpp>
#include <halfstep/layout/fp8_tensor.hpp>
#include <halfstep/layout/int8_axis.hpp>
#include <halfstep/layout/int8_block.hpp>
#include <halfstep/plan/analyze.hpp>
#include <halfstep/safetensors/writer.hpp>

#include "../support/files.hpp"
#include "models.hpp"

namespace {

using halfstep::action;
using halfstep::dtype;
using halfstep::format_of;
using halfstep::marker_style;
using halfstep::plan;
using halfstep::plan_options;
using halfstep::planned_tensor;
using halfstep::rule_source;
using halfstep::strictness;
using halfstep::usage_error;
using halfstep_test::header_of;
using halfstep_test::plan_for;
using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::ThrowsMessage;

planned_tensor const& of(plan const& p, std::string const& name) {
  auto const found = std::find_if(p.tensors.begin(), p.tensors.end(), [&](auto const& t) { return t.input.name == name; });
  if (found == p.tensors.end()) throw std::runtime_error("no tensor " + name);
  return *found;
}

std::size_t quantized(plan const& p) {
  return static_cast<std::size_t>(
      std::count_if(p.tensors.begin(), p.tensors.end(), [](auto const& t) { return t.what == action::quantize; }));
}

halfstep::safetensors::header flux_part() {
  return header_of({{"img_in.weight", dtype::bf16, {3072, 64}},
                    {"double_blocks.0.img_attn.norm.key_norm.scale", dtype::bf16, {128}},
                    {"double_blocks.0.img_attn.qkv.weight", dtype::bf16, {9216, 3072}},
                    {"double_blocks.0.img_attn.qkv.bias", dtype::bf16, {9216}},
                    {"double_blocks.0.img_mlp.0.weight", dtype::bf16, {12288, 3072}}});
}

halfstep::safetensors::header t5_part() {
  return header_of({{"shared.weight", dtype::f16, {32128, 4096}},
                    {"encoder.block.0.layer.0.SelfAttention.q.weight", dtype::f16, {4096, 4096}},
                    {"decoder.block.0.layer.0.SelfAttention.q.weight", dtype::f16, {4096, 4096}},
                    {"decoder.block.0.layer.0.layer_norm.weight", dtype::f16, {4096}}});
}

TEST(Plan, AppliesTheRulesOfTheFamilyItRecognises) {
  auto const p = plan_for(flux_part(), {});
  EXPECT_EQ(p.rules, "rules of flux1 (recognised from the tensor names)");
  EXPECT_THAT(p.families, ElementsAre("flux1"));
  EXPECT_EQ(quantized(p), 2u);
  EXPECT_EQ(of(p, "img_in.weight").what, action::keep);
  EXPECT_EQ(of(p, "img_in.weight").reason, "flux1 keeps 'img_in'");
  EXPECT_EQ(of(p, "double_blocks.0.img_attn.qkv.bias").reason, "not a 2-D weight");
  EXPECT_THAT(p.warnings, IsEmpty());
}

TEST(Plan, LeavesOutWhatTheFamilyRemoves) {
  auto const p = plan_for(t5_part(), {});
  EXPECT_EQ(of(p, "decoder.block.0.layer.0.layer_norm.weight").what, action::remove);
  EXPECT_EQ(of(p, "decoder.block.0.layer.0.SelfAttention.q.weight").what, action::remove);
  EXPECT_EQ(p.output.find("decoder.block.0.layer.0.layer_norm.weight"), nullptr);
  EXPECT_NE(p.output.find("shared.weight"), nullptr);
}

TEST(Plan, QuantizesEvery2DWeightWithoutRules) {
  auto const p = plan_for(flux_part(), {.target = {.format = format_of<halfstep::int8_axis>}, .rules = rule_source::none});
  EXPECT_EQ(quantized(p), 3u);
  EXPECT_EQ(p.rules, "no rules: every 2-D weight");
}

TEST(Plan, CutsTheOutputIntoShardsThatHoldWholeLayers) {
  plan_options options{.target = {.format = format_of<halfstep::int8_axis>}};
  auto const whole = plan_for(halfstep_test::model("z_image"), options);
  options.max_shard_bytes = 1'000'000'000;
  auto const p = plan_for(halfstep_test::model("z_image"), options);
  ASSERT_GT(p.shards.size(), 5u);
  std::map<std::string, std::size_t> shard_of;
  std::uint64_t bytes = 0;
  for (std::size_t i = 0; i < p.shards.size(); ++i) {
    auto const size = halfstep::safetensors::file_bytes(p.shards[i]);
    EXPECT_LE(size, options.max_shard_bytes);
    bytes += size;
    for (auto const& t : p.shards[i].tensors()) {
      auto const layer = t.name.substr(0, t.name.rfind('.'));
      EXPECT_EQ(shard_of.emplace(layer, i).first->second, i) << t.name;
    }
  }
  EXPECT_EQ(p.output_bytes, bytes);
  EXPECT_EQ(p.output.tensors().size(), whole.output.tensors().size());
  EXPECT_EQ(p.output.data_bytes(), whole.output.data_bytes());
  EXPECT_THAT(p.warnings, IsEmpty());
  options.max_shard_bytes = std::uint64_t{1} << 40;
  EXPECT_TRUE(plan_for(halfstep_test::model("z_image"), options).shards.empty()) << "one file is enough";
}

TEST(Plan, WarnsOfShardsThatAreLargerThanAsked) {
  plan_options options{.target = {.format = format_of<halfstep::int8_axis>}};
  options.max_shard_bytes = 30'000'000;
  EXPECT_THAT(plan_for(flux_part(), options).warnings,
              ElementsAre("1 shard is larger than `max_shard_bytes`: the tensors of a layer stay together"));
  options.strict = strictness::refuse;
  EXPECT_THAT([&] { plan_for(flux_part(), options); }, ThrowsMessage<usage_error>(HasSubstr("`max_shard_bytes`")));
}

TEST(Plan, UnitesTheFamiliesThatAreNamed) {
  auto const p = plan_for(flux_part(), {.rules = rule_source::named, .families = {"flux2", "radiance"}});
  EXPECT_EQ(p.rules, "rules of flux2, radiance (as asked)");
  EXPECT_EQ(of(p, "img_in.weight").reason, "flux2 keeps 'img_in'");
  EXPECT_THAT(p.warnings, ElementsAre("the rules of 'radiance' match no tensor of this file"));
}

TEST(Plan, ListsTheFamiliesWhereANameIsUnknown) {
  EXPECT_THAT(
      [] { plan_for(flux_part(), {.rules = rule_source::named, .families = {"flux9"}}); },
      ThrowsMessage<halfstep::unknown_option>(AllOf(HasSubstr("'flux9'"), HasSubstr("flux1"), HasSubstr("zimage_refiner"))));
}

TEST(Plan, LetsIncludeSpeakBeforeExcludeAndExcludeBeforeTheFamily) {
  plan_options options{.target = {.format = format_of<halfstep::int8_axis>}};
  options.exclude = {"img_attn", "img_in"};
  options.include = {"^img_in"};
  auto const p = plan_for(flux_part(), options);
  EXPECT_EQ(of(p, "img_in.weight").what, action::quantize);
  EXPECT_EQ(of(p, "img_in.weight").reason, "`include` '^img_in'");
  EXPECT_EQ(of(p, "double_blocks.0.img_attn.qkv.weight").what, action::keep);
  EXPECT_EQ(of(p, "double_blocks.0.img_attn.qkv.weight").reason, "`exclude` 'img_attn'");
  EXPECT_EQ(of(p, "double_blocks.0.img_mlp.0.weight").what, action::quantize);
}

TEST(Plan, BringsBackWhatTheFamilyRemovesWhereAFlagNamesIt) {
  plan_options options;
  options.include = {"^decoder"};
  auto const included = plan_for(t5_part(), options);
  EXPECT_EQ(of(included, "decoder.block.0.layer.0.SelfAttention.q.weight").what, action::quantize);
  EXPECT_EQ(of(included, "decoder.block.0.layer.0.layer_norm.weight").what, action::keep);
  auto const excluded = plan_for(t5_part(), {.exclude = {"^decoder"}});
  EXPECT_EQ(of(excluded, "decoder.block.0.layer.0.SelfAttention.q.weight").what, action::keep);
}

TEST(Plan, ForcesLayersOutsideTheGeneralRule) {
  auto const input = header_of({{"pooler.dense.weight", dtype::f32, {384, 384}}, {"layer.0.q.weight", dtype::f32, {384, 384}}});
  EXPECT_EQ(of(plan_for(input, {}), "pooler.dense.weight").reason, "outside the indexed blocks");
  EXPECT_EQ(of(plan_for(input, {.include = {"pooler"}}), "pooler.dense.weight").what, action::quantize);
  EXPECT_EQ(of(plan_for(input, {.exclude = {"q$"}}), "layer.0.q.weight").what, action::keep);
}

TEST(Plan, KeepsWhatCannotBecomeCodesAndSaysWhy) {
  auto const input = header_of({{"a.0.conv.weight", dtype::f32, {256, 256, 3}},
                                {"a.0.table", dtype::f32, {256, 256}},
                                {"a.0.none.weight", dtype::f32, {0, 256}},
                                {"a.0.int.weight", dtype::i64, {256, 256}},
                                {"a.0.bad.weight", dtype::f32, {256, 256}},
                                {"a.0.wide.weight", dtype::f64, {256, 256}},
                                {"a.0.good.weight", dtype::bf16, {256, 256}}});
  auto const p = plan_for(input, {.rules = rule_source::none, .nonfinite = {"a.0.bad.weight"}});
  EXPECT_EQ(of(p, "a.0.conv.weight").reason, "not a 2-D weight");
  EXPECT_EQ(of(p, "a.0.table").reason, "its name does not end in .weight");
  EXPECT_EQ(of(p, "a.0.none.weight").reason, "holds no elements");
  EXPECT_EQ(of(p, "a.0.int.weight").reason, "I64 is no floating type that is quantized");
  EXPECT_EQ(of(p, "a.0.bad.weight").reason, "holds NaN or Inf");
  EXPECT_EQ(quantized(p), 2u);
  for (auto const& t : p.tensors)
    if (t.what == action::keep) {
      ASSERT_EQ(t.outputs.size(), 1u);
      EXPECT_EQ(t.outputs[0].spec.name, t.input.name);
      EXPECT_EQ(t.outputs[0].spec.type, t.input.type);
      EXPECT_EQ(t.outputs[0].spec.shape, t.input.shape);
    }
}

TEST(Plan, CopiesWhatIsFp16AlreadyWhenFp16IsWanted) {
  auto const input = header_of({{"a.0.x.weight", dtype::f16, {256, 256}}, {"a.0.y.weight", dtype::bf16, {256, 256}}});
  auto const p = plan_for(input, {.target = {.format = format_of<halfstep::fp16>}});
  EXPECT_EQ(of(p, "a.0.x.weight").reason, "already FP16");
  EXPECT_EQ(of(p, "a.0.y.weight").what, action::quantize);
  EXPECT_EQ(p.output.find("a.0.y.weight")->type, dtype::f16);
}

halfstep::safetensors::header odd_shapes() {
  return header_of({{"a.0.x.weight", dtype::f32, {300, 512}},
                    {"a.1.x.weight", dtype::f32, {512, 300}},
                    {"a.2.x.weight", dtype::f32, {512, 512}}});
}

TEST(Plan, KeepsLayersThatTheLayoutCannotStoreAndWarns) {
  auto const p = plan_for(odd_shapes(), {});
  EXPECT_EQ(quantized(p), 1u);
  EXPECT_EQ(of(p, "a.0.x.weight").reason, "cannot be stored: [300, 512] is not divisible by blocks of 128");
  EXPECT_THAT(p.warnings,
              ElementsAre(AllOf(HasSubstr("2 layers cannot be stored as int8_blockwise 128"), HasSubstr("'a.1.x.weight'"))));
  EXPECT_EQ(quantized(plan_for(odd_shapes(), {.target = {.format = format_of<halfstep::int8_axis>}})), 3u);
}

TEST(Plan, RefusesAllLayersAtOnceThatAFlagNamesAndTheLayoutCannotStore) {
  auto const all =
      ThrowsMessage<usage_error>(AllOf(HasSubstr("'a.0.x.weight' [300, 512]"), HasSubstr("'a.1.x.weight' [512, 300]")));
  EXPECT_THAT([] { plan_for(odd_shapes(), {.include = {"x"}}); }, all);
  EXPECT_THAT([] { plan_for(odd_shapes(), {.strict = strictness::refuse}); }, all);
}

TEST(Plan, LetsEveryLayerTakeTheLargestRotationGroupThatDividesIt) {
  auto const input = header_of({{"a.0.x.weight", dtype::f32, {256, 1024}},
                                {"a.1.x.weight", dtype::f32, {256, 384}},
                                {"a.2.x.weight", dtype::f32, {256, 272}},
                                {"a.3.x.weight", dtype::f32, {256, 260}}});
  auto const p = plan_for(input, {.target = {.format = format_of<halfstep::int8_axis>, .bases = {halfstep::convrot(256)}}});
  EXPECT_EQ(halfstep::rotation_group_of(of(p, "a.0.x.weight").how.bases), 256);
  EXPECT_EQ(halfstep::rotation_group_of(of(p, "a.1.x.weight").how.bases), 64);
  EXPECT_EQ(halfstep::rotation_group_of(of(p, "a.2.x.weight").how.bases), 16);
  EXPECT_EQ(halfstep::rotation_group_of(of(p, "a.3.x.weight").how.bases), 0);
  EXPECT_EQ(of(p, "a.3.x.weight").what, action::quantize);
  EXPECT_THAT(p.notes, ElementsAre(HasSubstr("'a.3.x.weight'")));
}

TEST(Plan, TellsOfInt8LayersWhoseSidesAreNoMultiplesOfFour) {
  auto const input = header_of({{"a.0.x.weight", dtype::f32, {256, 258}},
                                {"a.1.x.weight", dtype::f32, {259, 256}},
                                {"a.2.x.weight", dtype::f32, {260, 256}}});
  EXPECT_THAT(plan_for(input, {.target = {.format = format_of<halfstep::int8_axis>}}).notes,
              ElementsAre("products of INT8 codes want sides that are multiples of 4, and 2 layers have others: 'a.0.x.weight', "
                          "'a.1.x.weight'; `exclude` keeps them"));
  EXPECT_THAT(plan_for(input, {.target = {.format = format_of<halfstep::fp8_tensor>}}).notes, testing::IsEmpty());
}

TEST(Plan, SkipsSmallAndUnevenLayersByTheHeuristicOnly) {
  auto const input = header_of(
      {{"a.weight", dtype::f32, {64, 512}}, {"b.weight", dtype::f32, {512, 300}}, {"c.weight", dtype::f32, {512, 512}}});
  plan_options options{.target = {.format = format_of<halfstep::int8_axis>}, .rules = rule_source::none};
  EXPECT_EQ(quantized(plan_for(input, options)), 3u);
  options.sizes = halfstep::size_rule::heuristic;
  auto const p = plan_for(input, options);
  EXPECT_EQ(quantized(p), 1u);
  EXPECT_EQ(of(p, "a.weight").reason, "`sizes`: smaller than or not divisible by 128");
}

TEST(Plan, WarnsOfExclusionsThatMatchNothingAndRefusesThemWhenStrict) {
  plan_options options{.exclude = {"nowhere"}};
  EXPECT_THAT(plan_for(flux_part(), options).warnings, ElementsAre("`exclude` 'nowhere' matches no tensor"));
  options.strict = strictness::refuse;
  EXPECT_THAT([&] { plan_for(flux_part(), options); },
              ThrowsMessage<usage_error>(AllOf(HasSubstr("`strict`"), HasSubstr("'nowhere'"))));
}

TEST(Plan, RefusesChoicesThatMatchNothingAllAtOnce) {
  EXPECT_THAT(
      [] {
        plan_for(flux_part(), {.include = {"bias$"}, .custom = {{"nowhere", {.format = format_of<halfstep::fp16>}}}});
      },
      ThrowsMessage<usage_error>(HasSubstr("`custom` 'nowhere', `include` 'bias$' match no weight that can be quantized")));
  EXPECT_NO_THROW(
      plan_for(flux_part(), {.include = {"img_mlp"}, .custom = {{"img_mlp", {.format = format_of<halfstep::fp16>}}}}));
}

TEST(Plan, GivesCustomLayersTheirRecipeBeforeAnyOtherFlagSpeaks) {
  plan_options options{.target = {.format = format_of<halfstep::int8_axis>, .bases = {halfstep::convrot(256)}}};
  options.custom = {{"img_mlp|img_in", {.format = format_of<halfstep::fp16>}},
                    {"img_mlp|qkv", {.format = format_of<halfstep::int8_block<64>>}}};
  options.include = {"img_mlp"};
  options.exclude = {"img_in", "qkv"};
  auto const p = plan_for(flux_part(), options);
  EXPECT_EQ(of(p, "img_in.weight").how.format, format_of<halfstep::fp16>);
  EXPECT_EQ(of(p, "img_in.weight").reason, "`custom` 'img_mlp|img_in'");
  EXPECT_EQ(of(p, "double_blocks.0.img_mlp.0.weight").how.format, format_of<halfstep::fp16>);
  EXPECT_EQ(of(p, "double_blocks.0.img_attn.qkv.weight").how, (halfstep::recipe{.format = format_of<halfstep::int8_block<64>>}));
  EXPECT_EQ(of(p, "double_blocks.0.img_attn.qkv.bias").what, action::keep);
}

TEST(Plan, RefusesCustomLayersThatTheirRecipeCannotStoreByFormat) {
  plan_options const options{.include = {"a\\.0"}, .custom = {{"a\\.1", {.format = format_of<halfstep::int8_block<64>>}}}};
  EXPECT_THAT([&] { plan_for(odd_shapes(), options); },
              ThrowsMessage<usage_error>(AllOf(
                  HasSubstr("1 layer cannot be stored as int8_blockwise 64: 'a.1.x.weight' [512, 300] is not divisible"),
                  HasSubstr("1 layer cannot be stored as int8_blockwise 128: 'a.0.x.weight' [300, 512] is not divisible"))));
  auto const p = plan_for(
      odd_shapes(), {.custom = {{"a\\.1", {.format = format_of<halfstep::int8_block<64>>}, halfstep::size_rule::heuristic}}});
  EXPECT_EQ(of(p, "a.1.x.weight").reason, "`custom sizes`: smaller than or not divisible by 64");
}

TEST(Plan, RefusesCustomRecipesThatMakeNoSense) {
  EXPECT_THAT(
      [] {
        plan_for(flux_part(), {.custom = {{"qkv", {.format = format_of<halfstep::fp16>, .bases = {halfstep::convrot(64)}}}}});
      },
      ThrowsMessage<usage_error>(AllOf(HasSubstr("`custom` 'qkv'"), HasSubstr("not fp16"))));
  EXPECT_THAT(
      [] {
        plan_for(flux_part(),
                 {.fallback = halfstep::recipe{.format = format_of<halfstep::fp16>, .bases = {halfstep::convrot(64)}}});
      },
      ThrowsMessage<usage_error>(HasSubstr("the recipe of `fallback`")));
}

TEST(Plan, GivesTheFallbackRecipeToWhatAFlagOrTheFamilyKeeps) {
  plan_options options{.target = {.format = format_of<halfstep::int8_axis>},
                       .exclude = {"qkv"},
                       .fallback = halfstep::recipe{.format = format_of<halfstep::int8_block<64>>}};
  auto const p = plan_for(flux_part(), options);
  EXPECT_EQ(of(p, "img_in.weight").how, (halfstep::recipe{.format = format_of<halfstep::int8_block<64>>}));
  EXPECT_EQ(of(p, "img_in.weight").reason, "`fallback`: flux1 keeps 'img_in'");
  EXPECT_EQ(of(p, "double_blocks.0.img_attn.qkv.weight").reason, "`fallback`: `exclude` 'qkv'");
  EXPECT_EQ(of(p, "double_blocks.0.img_attn.qkv.bias").what, action::keep);
  EXPECT_EQ(of(p, "double_blocks.0.img_mlp.0.weight").how.format, format_of<halfstep::int8_axis>);
}

TEST(Plan, GivesNoFallbackToWhatTheGeneralRuleKeepsAndSaysSo) {
  auto const input = header_of({{"pooler.weight", dtype::f32, {384, 384}}, {"layer.0.q.weight", dtype::f32, {384, 384}}});
  auto const p = plan_for(input, {.fallback = halfstep::recipe{.format = format_of<halfstep::fp16>}});
  EXPECT_EQ(of(p, "pooler.weight").what, action::keep);
  EXPECT_THAT(p.warnings, ElementsAre(HasSubstr("`fallback` changes nothing")));
}

TEST(Plan, KeepsAndListsWhatTheFallbackCannotStore) {
  auto const p = plan_for(odd_shapes(), {.target = {.format = format_of<halfstep::int8_axis>},
                                         .exclude = {"a\\.[01]"},
                                         .fallback = halfstep::recipe{.format = format_of<halfstep::int8_block<128>>}});
  EXPECT_EQ(quantized(p), 1u);
  EXPECT_THAT(p.warnings, ElementsAre(HasSubstr("2 layers cannot be stored as int8_blockwise 128, copied unchanged")));
}

TEST(Plan, WarnsWhereNothingIsQuantized) {
  EXPECT_THAT(plan_for(header_of({{"x.bias", dtype::f32, {4}}}), {}).warnings,
              ElementsAre("no layer is quantized; what stays is mostly 'x.bias' (F32 [4], not a 2-D weight: 16 bytes)"));
  EXPECT_THAT(plan_for(header_of({{"a.0.weight", dtype::f32, {512, 512}}}), {.exclude = {"a"}}).warnings,
              ElementsAre("no layer is quantized"));
  EXPECT_EQ(plan_for(header_of({}), {}).output_bytes, 16u);
}

TEST(Plan, KeepsAllMetadataAndRepeatsTheMarkersOnRequest) {
  auto const input =
      halfstep::safetensors::arrange({{"a.0.x.weight", dtype::f32, {256, 256}}}, {{"config", "{\"a\": 1}"}, {"b", ""}});
  EXPECT_EQ(plan_for(input, {}).output.metadata(), input.metadata());
  auto const saved = plan_for(input, {.metadata = halfstep::quant_metadata::save}).output.metadata();
  ASSERT_EQ(saved.size(), 3u);
  EXPECT_EQ(saved[0].first, "_quantization_metadata");
  EXPECT_EQ(saved[0].second,
            R"({"format_version": "1.0", "layers": {"a.0.x": {"format": "int8_blockwise", "group_size": 128}}})");
}

TEST(Plan, AddsMetadataInPlaceOfPairsWithTheSameKey) {
  auto const input = halfstep::safetensors::arrange({{"a.0.x.weight", dtype::f32, {256, 256}}}, {{"config", "1"}, {"seed", "7"}});
  auto const p = plan_for(input, {.added_metadata = {{"seed", "9"}}});
  EXPECT_THAT(p.output.metadata(), ElementsAre(testing::Pair("config", "1"), testing::Pair("seed", "9")));
  EXPECT_EQ(contract_of(p).metadata, p.output.metadata());
}

TEST(Plan, NamesTheLoaderThatTheMostParticularLayerNeeds) {
  EXPECT_EQ(plan_for(flux_part(), {}).needs, halfstep::loader::fork);
  EXPECT_EQ(plan_for(flux_part(), {.target = {.format = format_of<halfstep::int8_axis>}}).needs, halfstep::loader::stock_comfyui);
  EXPECT_EQ(plan_for(flux_part(), {.markers = marker_style::none}).needs, halfstep::loader::engine);
  EXPECT_EQ(plan_for(flux_part(), {.target = {.format = format_of<halfstep::fp16>}}).needs, halfstep::loader::any);
}

TEST(Plan, NamesTheVersionOfComfyuiThatLoadsWhatIsQuantized) {
  auto const input =
      header_of({{"model.layers.0.q.weight", dtype::bf16, {512, 512}}, {"model.embed_tokens.weight", dtype::bf16, {512, 512}}});
  plan_options options{.target = {.format = format_of<halfstep::int8_axis>}};
  EXPECT_EQ(plan_for(input, options).since, (halfstep::comfyui_version{0, 27}));
  options.include = {"embed"};
  auto const p = plan_for(input, options);
  EXPECT_EQ(p.since, (halfstep::comfyui_version{0, 30}));
  EXPECT_THAT(p.notes, ElementsAre("ComfyUI before 0.30 takes the codes of tables that are looked up for their numbers: "
                                   "'model.embed_tokens.weight'; `exclude` keeps what it names"));
  options.markers = marker_style::none;
  EXPECT_THAT(plan_for(input, options).warnings, ElementsAre(HasSubstr("no loader is known to decode 1 layer")));
}

TEST(Plan, PredictsTheOutputsSizeToTheByte) {
  auto const p =
      plan_for(odd_shapes(), {.target = {.format = format_of<halfstep::int8_axis>}, .metadata = halfstep::quant_metadata::save});
  halfstep_test::temporary_folder const folder;
  std::string const path = folder.path("out.safetensors");
  halfstep::safetensors::writer out(path, p.output, halfstep::file::overwrite::replace, {});
  for (auto const& to : out.slots()) out.write(to, 0, std::vector<std::byte>(to.entry().bytes()));
  out.commit();
  EXPECT_EQ(std::filesystem::file_size(path), p.output_bytes);
}

TEST(Plan, MakesAContractThatItsOwnFileFulfils) {
  auto const p = plan_for(flux_part(), {.target = {.format = format_of<halfstep::int8_axis>, .bases = {halfstep::convrot(256)}}});
  auto const expected = contract_of(p);
  EXPECT_EQ(expected.layers.size(), 2u);
  EXPECT_EQ(expected.copied.size(), 3u);
  auto const marker =
      marker_text({.format = format_of<halfstep::int8_axis>, .bases = {halfstep::convrot(256)}}, marker_style::comfyui);
  EXPECT_NO_THROW(check_contract(p.output, expected, [&](auto const& t, std::uint64_t, std::span<std::byte> into) {
    float const one = 1.0f;
    for (std::size_t i = 0; i < into.size(); ++i)
      into[i] =
          t.type == dtype::u8 ? static_cast<std::byte>(marker[i]) : reinterpret_cast<std::byte const*>(&one)[i % sizeof one];
  }));
}

TEST(Plan, IsTheSameEveryTime) {
  EXPECT_EQ(serialize(plan_for(flux_part(), {}).output), serialize(plan_for(flux_part(), {}).output));
}

/// Two layers with biases before and behind their weights, and one without.
halfstep::safetensors::header biased() {
  return header_of({{"a.0.bias", dtype::bf16, {512}},
                    {"a.0.weight", dtype::bf16, {512, 256}},
                    {"a.1.weight", dtype::f32, {512, 264}},
                    {"a.1.bias", dtype::f32, {512}},
                    {"a.2.weight", dtype::f32, {512, 256}}});
}

plan_options rotated_options() {
  return {.target = {.format = format_of<halfstep::int8_axis>, .bases = {halfstep::convrot(256)}}};
}

std::vector<std::string> names_written(planned_tensor const& t) {
  std::vector<std::string> names;
  for (auto const& a : t.outputs) names.push_back(a.spec.name);
  return names;
}

TEST(Plan, GivesABiasToItsLayerWhereTheMeanOfTheInputsIsKnown) {
  auto options = rotated_options();
  options.inputs = {{"a.0", {.mean = true}}, {"a.2", {.mean = true}}, {"elsewhere", {.mean = true}}};
  auto const p = plan_for(biased(), options);
  EXPECT_EQ(of(p, "a.0.bias").what, action::correct);
  EXPECT_THAT(of(p, "a.0.bias").outputs, IsEmpty());
  EXPECT_THAT(names_written(of(p, "a.0.weight")), ElementsAre("a.0.weight", "a.0.weight_scale", "a.0.comfy_quant", "a.0.bias"));
  EXPECT_EQ(of(p, "a.0.weight").outputs.back().role, halfstep::artifact_role::bias);
  EXPECT_EQ(of(p, "a.1.bias").what, action::keep);
  ASSERT_NE(p.output.find("a.0.bias"), nullptr);
  EXPECT_EQ(p.output.find("a.0.bias")->type, dtype::bf16);
  EXPECT_THAT(p.notes, testing::Contains("the biases of 1 layer are corrected for the mean of their inputs"));
  EXPECT_THAT(halfstep::analyze(p), HasSubstr("correct: 1 tensor, 1.02 kB"));
  auto const expected = contract_of(p);
  ASSERT_EQ(expected.copied.size(), 1u);
  EXPECT_EQ(expected.copied[0].name, "a.1.bias");
  ASSERT_EQ(expected.layers.back().name, "a.0");
  EXPECT_EQ(expected.layers.back().added.bias, dtype::bf16);
}

TEST(Plan, WritesTheSameFileWhetherBiasesAreCorrectedOrNot) {
  auto options = rotated_options();
  auto const without = plan_for(biased(), options);
  options.inputs = {{"a.0", {.mean = true}}, {"a.1", {.mean = true}}};
  auto const p = plan_for(biased(), options);
  EXPECT_EQ(p.output, without.output);
  EXPECT_EQ(p.output_bytes, without.output_bytes);
}

TEST(Plan, LeavesABiasAloneThatAFlagKeepsOrThatIsNoRowOfNumbers) {
  auto options = rotated_options();
  options.inputs = {{"a.0", {.mean = true}}, {"a.1", {.mean = true}}};
  options.exclude = {"a.0.bias"};
  options.nonfinite = {"a.1.bias"};
  auto const p = plan_for(biased(), options);
  EXPECT_EQ(of(p, "a.0.bias").what, action::keep);
  EXPECT_EQ(of(p, "a.1.bias").what, action::keep);
  auto const odd = plan_for(header_of({{"a.0.weight", dtype::f32, {512, 256}},
                                       {"a.0.bias", dtype::f32, {512, 1}},
                                       {"a.1.weight", dtype::f32, {512, 256}},
                                       {"a.1.bias", dtype::i32, {512}}}),
                            {.target = {.format = format_of<halfstep::int8_axis>}, .inputs = options.inputs});
  EXPECT_EQ(of(odd, "a.0.bias").what, action::keep);
  EXPECT_EQ(of(odd, "a.1.bias").what, action::keep);
  auto const half = plan_for(biased(), {.target = {.format = format_of<halfstep::fp16>}, .inputs = options.inputs});
  EXPECT_EQ(of(half, "a.0.bias").what, action::keep);
}

TEST(Plan, StoresScalesOfActivationsWhereTheRangeIsKnownInTheBasisOfTheWeight) {
  auto options = rotated_options();
  options.inputs = {{"a.0", {.range = halfstep::known_range::unrotated}},
                    {"a.1", {.range = halfstep::known_range::unrotated}},
                    {"a.2", {.range = halfstep::known_range::any}}};
  EXPECT_EQ(plan_for(biased(), options).output.find("a.2.input_scale"), nullptr);
  options.static_activations = halfstep::activation_scales::store;
  auto const p = plan_for(biased(), options);
  EXPECT_EQ(p.output.find("a.0.input_scale"), nullptr);  // stored rotated
  EXPECT_NE(p.output.find("a.1.input_scale"), nullptr);  // no group divides 264 columns
  EXPECT_NE(p.output.find("a.2.input_scale"), nullptr);
  EXPECT_THAT(p.warnings, ElementsAre(HasSubstr("cannot give 1 layer a static activation scale: 'a.0'")));
}

TEST(Plan, SmoothsLayersWhoseLargestInputsAreKnown) {
  plan_options options{.target = {.format = format_of<halfstep::int8_axis>, .bases = {halfstep::smoothquant(0.5)}},
                       .markers = marker_style::fork};
  options.inputs = {{"a.0", {.maxima = halfstep::channel_maxima::known}}};
  auto const p = plan_for(biased(), options);
  auto const* const factors = p.output.find("a.0.smooth_factors");
  ASSERT_NE(factors, nullptr);
  EXPECT_EQ(factors->type, dtype::f32);
  EXPECT_EQ(factors->shape, std::vector{of(p, "a.0.weight").input.shape[1]});
  EXPECT_EQ(p.output.find("a.1.smooth_factors"), nullptr);
  EXPECT_EQ(halfstep::find_basis(of(p, "a.1.weight").how.bases, "smoothquant"), nullptr);
  EXPECT_THAT(p.warnings, ElementsAre(AllOf(HasSubstr("`smoothing` leaves out 2 layers whose largest inputs are unknown: 'a.1'"),
                                            HasSubstr("`calibration_data`"))));
  EXPECT_EQ(to_string(of(p, "a.0.weight").how), "int8_axiswise + smoothquant");
}

TEST(Plan, PadsWhatQuipTransforms) {
  plan_options options{.target = {.format = format_of<halfstep::int8_axis>, .bases = {halfstep::incoherent()}, .solver = "quip"},
                       .markers = marker_style::fork};
  auto const p = plan_for(biased(), options);
  auto const shape_of = [&](std::string const& name) {
    auto const* const t = p.output.find(name);
    return t == nullptr ? std::vector<std::uint64_t>{404} : t->shape;
  };
  EXPECT_EQ(shape_of("a.1.weight"), (std::vector<std::uint64_t>{512, 512}));  // [512, 264] in the input
  EXPECT_EQ(shape_of("a.1.weight_scale"), (std::vector<std::uint64_t>{512}));
  EXPECT_EQ(shape_of("a.1.sign_row"), (std::vector<std::uint64_t>{512}));
  EXPECT_EQ(shape_of("a.1.sign_col"), (std::vector<std::uint64_t>{512}));
  for (std::string const ending : {".hadamard_quip", ".hadamard_size_out", ".hadamard_size_in"})
    EXPECT_THAT(shape_of("a.1" + ending), IsEmpty());
  EXPECT_EQ(p.needs, halfstep::loader::quip_engine);
  EXPECT_THAT(p.notes, testing::Contains(HasSubstr("QuIP's transform pads")));
  halfstep::rotate_by(options.target.bases, 256);
  EXPECT_THAT([&] { plan_for(biased(), options); }, ThrowsMessage<usage_error>(HasSubstr("leave out `rotation`")));
  halfstep::rotate_by(options.target.bases, 0);
  options.markers = marker_style::comfyui;
  EXPECT_THAT([&] { plan_for(biased(), options); },
              ThrowsMessage<usage_error>(HasSubstr("stock ComfyUI takes the codes for the weight itself")));
}

TEST(Plan, RefusesSmoothingForStockComfyui) {
  plan_options options{.target = {.format = format_of<halfstep::int8_axis>, .bases = {halfstep::smoothquant(0.5)}}};
  EXPECT_THAT([&] { plan_for(biased(), options); },
              ThrowsMessage<halfstep::usage_error>(HasSubstr("stock ComfyUI drops the smoothing factors")));
  options.markers = marker_style::none;
  EXPECT_NO_THROW(plan_for(biased(), options));
  options.target.bases = {halfstep::smoothquant(1.5)};
  EXPECT_THAT([&] { plan_for(biased(), options); }, ThrowsMessage<halfstep::usage_error>(HasSubstr("`smoothing alpha`")));
}

TEST(Plan, StoresNoStatedScaleOfActivationsForASmoothedLayer) {
  plan_options options{.target = {.format = format_of<halfstep::int8_axis>, .bases = {halfstep::smoothquant(0.5)}},
                       .markers = marker_style::fork};
  auto const maxima = halfstep::channel_maxima::known;
  options.inputs = {{"a.0", {.range = halfstep::known_range::stated, .maxima = maxima}},
                    {"a.1", {.range = halfstep::known_range::unrotated, .maxima = maxima}},
                    {"a.2", {.range = halfstep::known_range::stated}}};
  options.static_activations = halfstep::activation_scales::store;
  auto const p = plan_for(biased(), options);
  EXPECT_EQ(p.output.find("a.0.input_scale"), nullptr);
  EXPECT_NE(p.output.find("a.1.input_scale"), nullptr);
  EXPECT_NE(p.output.find("a.2.input_scale"), nullptr);
}

}  // namespace
