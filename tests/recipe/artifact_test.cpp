#include <halfstep/layout/fp16.hpp>
#include <halfstep/layout/fp8_block.hpp>
#include <halfstep/layout/fp8_tensor.hpp>
#include <halfstep/layout/int8_axis.hpp>
#include <halfstep/layout/int8_block.hpp>
#include <halfstep/layout/int8_tensor.hpp>
#include <halfstep/recipe/artifact.hpp>

#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace {

using halfstep::artifact;
using halfstep::artifacts_of;
using halfstep::dtype;
using halfstep::format_of;
using halfstep::lone_scale;
using halfstep::marker_style;
using halfstep::recipe;

std::string in_words(std::vector<artifact> const& all) {
  std::string text;
  for (auto const& a : all) {
    text += a.spec.name + " " + std::string(name_of(a.spec.type)) + " [";
    for (std::size_t i = 0; i < a.spec.shape.size(); ++i) text += (i == 0 ? "" : ",") + std::to_string(a.spec.shape[i]);
    text += "]; ";
  }
  return text;
}

TEST(Artifact, WritesOneScaleABlock) {
  EXPECT_EQ(
      in_words(artifacts_of("p", {256, 384}, recipe{.format = format_of<halfstep::int8_block<128>>}, marker_style::comfyui)),
      "p.weight I8 [256,384]; p.weight_scale F32 [2,3]; p.comfy_quant U8 [47]; ");
}

TEST(Artifact, WritesScalesOfRowsAsAColumnForStockComfyui) {
  EXPECT_EQ(in_words(artifacts_of("p", {5, 7}, {.format = format_of<halfstep::int8_axis>}, marker_style::comfyui)),
            "p.weight I8 [5,7]; p.weight_scale F32 [5,1]; p.comfy_quant U8 [46]; ");
}

TEST(Artifact, WritesScalesOfRowsAsAVectorForTheFork) {
  EXPECT_EQ(in_words(artifacts_of("p", {5, 7}, {.format = format_of<halfstep::int8_axis>}, marker_style::fork)),
            "p.weight I8 [5,7]; p.weight_scale F32 [5]; p.comfy_quant U8 [27]; ");
}

TEST(Artifact, WritesFp8CodesWithOneScaleOrOneABlock) {
  EXPECT_EQ(in_words(artifacts_of("p", {5, 7}, {.format = format_of<halfstep::fp8_tensor>}, marker_style::comfyui)),
            "p.weight F8_E4M3 [5,7]; p.weight_scale F32 []; p.comfy_quant U8 [27]; ");
  EXPECT_EQ(in_words(artifacts_of("p", {256, 384}, {.format = format_of<halfstep::fp8_block<128>>}, marker_style::none)),
            "p.weight F8_E4M3 [256,384]; p.scale_weight F32 [2,3]; ");
}

TEST(Artifact, WritesATensorsScaleAsAScalarUnlessAskedNotTo) {
  recipe const r{.format = format_of<halfstep::int8_tensor>};
  EXPECT_EQ(in_words(artifacts_of("p", {5, 7}, r, marker_style::comfyui)),
            "p.weight I8 [5,7]; p.weight_scale F32 []; p.comfy_quant U8 [29]; ");
  EXPECT_EQ(in_words(artifacts_of("p", {5, 7}, r, marker_style::comfyui, lone_scale::vector)),
            "p.weight I8 [5,7]; p.weight_scale F32 [1]; p.comfy_quant U8 [29]; ");
}

TEST(Artifact, UsesTheOlderNamesWithoutMarkers) {
  EXPECT_EQ(in_words(artifacts_of("a.b", {128, 128}, recipe{.format = format_of<halfstep::int8_block<128>>}, marker_style::none)),
            "a.b.weight I8 [128,128]; a.b.scale_weight F32 [1,1]; ");
}

TEST(Artifact, WritesTheWeightAloneForFp16) {
  EXPECT_EQ(in_words(artifacts_of("p", {5, 7}, {.format = format_of<halfstep::fp16>}, marker_style::comfyui)),
            "p.weight F16 [5,7]; ");
}

TEST(Artifact, AddsAScaleOfActivationsAndACorrectedBias) {
  halfstep::layer_additions const added{.bias = dtype::bf16, .input_scale = halfstep::activation_scales::store};
  recipe const axis{.format = format_of<halfstep::int8_axis>};
  EXPECT_EQ(in_words(artifacts_of("p", {5, 7}, axis, marker_style::comfyui, lone_scale::scalar, added)),
            "p.weight I8 [5,7]; p.weight_scale F32 [5,1]; p.comfy_quant U8 [46]; p.input_scale F32 []; p.bias BF16 [5]; ");
  EXPECT_EQ(in_words(artifacts_of("p", {5, 7}, axis, marker_style::none, lone_scale::vector, added)),
            "p.weight I8 [5,7]; p.scale_weight F32 [5,1]; p.scale_input F32 [1]; p.bias BF16 [5]; ");
  EXPECT_EQ(in_words(artifacts_of("p", {5, 7}, {.format = format_of<halfstep::fp16>}, marker_style::comfyui, lone_scale::scalar,
                                  added)),
            "p.weight F16 [5,7]; p.bias BF16 [5]; ");
}

TEST(Artifact, RefusesAShapeThatTheRecipeCannotStore) {
  EXPECT_THAT(
      [] {
        artifacts_of("p.q", {128, 100}, recipe{.format = format_of<halfstep::int8_block<128>>}, marker_style::comfyui);
      },
      testing::ThrowsMessage<halfstep::shape_error>(testing::HasSubstr("'p.q.weight': [128, 100] is not divisible")));
}

TEST(Artifact, FindsTheLayerOfAWeightOnly) {
  EXPECT_EQ(halfstep::layer_of("a.0.weight"), "a.0");
  EXPECT_EQ(halfstep::layer_of("a.0.bias"), "");
  EXPECT_EQ(halfstep::layer_of(".weight"), "");
  EXPECT_EQ(halfstep::layer_of("weight"), "");
}

}  // namespace
