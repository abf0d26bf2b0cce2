// What a plan makes of an input that is quantized already.
#include <algorithm>
#include <span>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <halfstep/layout/int8_axis.hpp>
#include <halfstep/plan/layer_template.hpp>
#include <halfstep/plan/plan.hpp>

#include "models.hpp"

namespace {

using halfstep::action;
using halfstep::dtype;
using halfstep::format_of;
using halfstep::plan;
using halfstep::plan_options;
using halfstep::usage_error;
using halfstep_test::plan_for;
using testing::AllOf;
using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::ThrowsMessage;

/// An FP8 model in the older form, and one layer of it that is as it was.
halfstep::safetensors::header scaled_fp8(halfstep::safetensors::metadata_list metadata = {}) {
  return halfstep::safetensors::arrange({{"scaled_fp8", dtype::f8_e4m3, {2}},
                                         {"blocks.0.attn.weight", dtype::f8_e4m3, {256, 512}},
                                         {"blocks.0.attn.bias", dtype::bf16, {256}},
                                         {"blocks.0.attn.scale_weight", dtype::f32, {}},
                                         {"blocks.0.attn.scale_input", dtype::f32, {}},
                                         {"blocks.1.attn.weight", dtype::f8_e4m3, {256, 512}},
                                         {"blocks.1.attn.scale_weight", dtype::f32, {}},
                                         {"blocks.1.norm.weight", dtype::f8_e4m3, {512}}},
                                        std::move(metadata));
}

plan planned(halfstep::safetensors::header const& input, plan_options options) {
  options.stored =
      halfstep::stored_layers(input, halfstep_test::known_formats(), [](auto const&, std::uint64_t, std::span<std::byte>) {});
  return plan_for(input, options);
}

plan_options allowed(plan_options options = {}) {
  options.target = {.format = format_of<halfstep::int8_axis>};
  options.requantize = halfstep::requantization::allow;
  return options;
}

std::vector<std::string> names_in(plan const& p) {
  std::vector<std::string> names;
  for (auto const& t : p.output.tensors()) names.push_back(t.name);
  std::ranges::sort(names);
  return names;
}

TEST(Requantization, IsRefusedUnlessItIsAskedFor) {
  EXPECT_THAT([] { planned(scaled_fp8(), {.target = {.format = format_of<halfstep::int8_axis>}}); },
              ThrowsMessage<usage_error>(AllOf(HasSubstr("2 layers of the input are already quantized: "
                                                         "'blocks.0.attn' is F8_E4M3 with "
                                                         "scales, 'blocks.1.attn'"),
                                               HasSubstr("`requantize`"))));
  EXPECT_THAT([] { plan_for(scaled_fp8(), allowed()); }, ThrowsMessage<usage_error>(HasSubstr("already quantized")))
      << "nobody looked at the markers";
}

TEST(Requantization, LeavesNothingOfTheOldCodes) {
  auto const p = planned(scaled_fp8(), allowed());
  EXPECT_THAT(names_in(p), ElementsAre("blocks.0.attn.bias", "blocks.0.attn.comfy_quant", "blocks.0.attn.weight",
                                       "blocks.0.attn.weight_scale", "blocks.1.attn.comfy_quant", "blocks.1.attn.weight",
                                       "blocks.1.attn.weight_scale", "blocks.1.norm.weight"));
  EXPECT_THAT(p.notes, Contains(HasSubstr("2 layers decoded in FP32 and quantized again")));
  auto const& first = *std::ranges::find(p.tensors, "blocks.0.attn.weight", [](auto const& t) { return t.input.name; });
  EXPECT_EQ(first.coded->scales, "blocks.0.attn.scale_weight");
  EXPECT_EQ(first.reason, "F8_E4M3 with scales, a linear layer inside an indexed block");
  EXPECT_EQ(type_of_rows(first), dtype::f32);
  EXPECT_THAT(layer_template(p), HasSubstr("`requantize`"));
}

TEST(Requantization, KeepsWhatBelongsToLayersThatStay) {
  auto const p = planned(scaled_fp8(), allowed({.exclude = {"blocks.1"}}));
  EXPECT_THAT(names_in(p),
              ElementsAre("blocks.0.attn.bias", "blocks.0.attn.comfy_quant", "blocks.0.attn.weight", "blocks.0.attn.weight_scale",
                          "blocks.1.attn.scale_weight", "blocks.1.attn.weight", "blocks.1.norm.weight", "scaled_fp8"));
  EXPECT_THAT(p.notes, Contains(HasSubstr("1 layer already quantized, kept with scales "
                                          "and markers as they are")));
  auto const all = planned(scaled_fp8(), {.target = {.format = format_of<halfstep::int8_axis>}, .exclude = {"blocks"}});
  EXPECT_EQ(all.output.tensors().size(), scaled_fp8().tensors().size()) << "nothing to refuse: all stay";
}

TEST(Requantization, KeepsAFlagWhoseLayersStay) {
  auto const input = halfstep_test::header_of({{"a.scaled_fp8", dtype::f8_e4m3, {0}},
                                               {"a.blocks.0.attn.weight", dtype::f8_e4m3, {256, 512}},
                                               {"a.blocks.0.attn.scale_weight", dtype::f32, {}},
                                               {"b.scaled_fp8", dtype::f8_e4m3, {0}},
                                               {"b.blocks.0.attn.weight", dtype::f8_e4m3, {256, 512}},
                                               {"b.blocks.0.attn.scale_weight", dtype::f32, {}}});
  auto const names = names_in(planned(input, allowed({.exclude = {"^b"}})));
  EXPECT_THAT(names, Contains("b.scaled_fp8"));
  EXPECT_THAT(names, Not(Contains("a.scaled_fp8")));
}

TEST(Requantization, RewritesTheMetadataThatSpeaksOfTheOldCodes) {
  auto const marked = [](std::string const& layers) {
    return halfstep::safetensors::arrange({{"blocks.0.attn.weight", dtype::f8_e4m3, {256, 512}},
                                           {"blocks.0.attn.weight_scale", dtype::f32, {}},
                                           {"blocks.1.attn.weight", dtype::f8_e4m3, {256, 512}},
                                           {"blocks.1.attn.weight_scale", dtype::f32, {}}},
                                          {{"_quantization_metadata", "{\"layers\": {" + layers + "}}"}, {"config", "{}"}});
  };
  std::string const both = R"("blocks.0.attn": {"format": "float8_e4m3fn"}, "blocks.1.attn": {"format": "float8_e4m3fn"})";
  EXPECT_THAT(planned(marked(both), allowed()).output.metadata(), ElementsAre(testing::Pair("config", "{}")));
  auto const half = planned(marked(both), allowed({.exclude = {"blocks.1"}}));
  EXPECT_THAT(half.output.metadata(),
              Contains(testing::Pair("_quantization_metadata",
                                     R"({"format_version": "1.0", "layers": {"blocks.1.attn": {"format": "float8_e4m3fn"}}})")));
  auto const saved = planned(marked(both), allowed({.exclude = {"blocks.1"}, .metadata = halfstep::quant_metadata::save}));
  EXPECT_THAT(saved.output.metadata(),
              Contains(testing::Pair("_quantization_metadata",
                                     R"({"format_version": "1.0", "layers": {"blocks.0.attn": {"format": "int8_tensorwise", )"
                                     R"("per_row": true}, "blocks.1.attn": {"format": "float8_e4m3fn"}}})")));
  EXPECT_THAT([] { planned(scaled_fp8(), allowed({.exclude = {"blocks.1"}, .metadata = halfstep::quant_metadata::save})); },
              ThrowsMessage<usage_error>(AllOf(HasSubstr("`scale_weight`"), HasSubstr("'blocks.1.attn'"))));
}

TEST(Requantization, RefusesWhatItCannotUndoAndWarnsOfWhatItCannotKnow) {
  auto const quip = halfstep_test::header_of({{"blocks.0.attn.weight", dtype::i8, {256, 512}},
                                              {"blocks.0.attn.weight_scale", dtype::f32, {256, 1}},
                                              {"blocks.0.attn.hadamard_quip", dtype::i8, {}}});
  for (auto const& options : {allowed(), plan_options{.target = {.format = format_of<halfstep::int8_axis>}}})
    EXPECT_THAT([&] { planned(quip, options); },
                ThrowsMessage<usage_error>(AllOf(HasSubstr("cannot be dequantized: 'blocks.0.attn' is I8 with scales"),
                                                 HasSubstr("QuIP"), HasSubstr("`exclude`"))));
  auto const engine = halfstep_test::header_of(
      {{"blocks.0.attn.weight", dtype::i8, {256, 512}}, {"blocks.0.attn.scale_weight", dtype::f32, {256, 1}}});
  EXPECT_THAT(planned(engine, allowed()).warnings, Contains(HasSubstr("no marker says that their columns are not rotated")));
}

TEST(Requantization, SaysSoWhereThereIsNothingToDecode) {
  auto const p = planned(halfstep_test::header_of({{"blocks.0.attn.weight", dtype::bf16, {256, 512}}}), allowed());
  EXPECT_THAT(p.notes, Contains(HasSubstr("`requantize` changes nothing")));
  EXPECT_THAT(p.warnings, IsEmpty());
}

}  // namespace
