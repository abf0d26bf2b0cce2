#include <halfstep/layout/fp16.hpp>
#include <halfstep/layout/int8_axis.hpp>
#include <halfstep/layout/int8_block.hpp>
#include <halfstep/layout/int8_tensor.hpp>
#include <halfstep/plan/plan.hpp>
#include <halfstep/recipe/bases.hpp>

#include <algorithm>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "models.hpp"

namespace {

using halfstep::action;
using halfstep::dtype;
using halfstep::format_of;
using halfstep::plan;
using halfstep::plan_options;
using halfstep_test::plan_for;

struct tally {
  std::size_t layers = 0;
  std::uint64_t elements = 0;
};

tally quantized(plan const& p) {
  tally sum;
  for (auto const& t : p.tensors) {
    if (t.what != action::quantize) continue;
    ++sum.layers;
    sum.elements += t.input.count();
  }
  return sum;
}

struct expectation {
  std::string name;
  std::string family;
  std::size_t layers;
  std::uint64_t elements;
};

// Counted by hand from the shapes: FLUX.1-dev has 10 linears in 19 blocks and 3 in 38, T5 7 in 24, Wan 10 in 40,
// Qwen-Image 14 in 60 less one modulation, Z-Image 5 in 34.
std::vector<expectation> const known{{"flux1_dev", "flux1", 304, 11'834'228'736},
                                     {"t5xxl_encoder", "t5xxl", 168, 4'630'511'616},
                                     {"wan21_14b", "wan", 400, 14'050'918'400},
                                     {"qwen_image", "qwen", 839, 20'327'694'336},
                                     {"z_image", "zimage", 170, 6'016'204'800}};

TEST(RealModels, HaveExactlyTheirLinearLayersQuantized) {
  for (auto const& expected : known)
    for (std::string const prefix : {"", "model.diffusion_model.", "net."}) {
      auto const p = plan_for(halfstep_test::model(expected.name, prefix), {});
      ASSERT_EQ(p.families.size(), 1u) << expected.name;
      EXPECT_EQ(p.families[0], expected.family);
      EXPECT_EQ(quantized(p).layers, expected.layers) << expected.name;
      EXPECT_EQ(quantized(p).elements, expected.elements) << expected.name;
      EXPECT_TRUE(p.warnings.empty()) << p.warnings.front();
    }
}

TEST(RealModels, ShrinkByWhatTheCodesSave) {
  for (auto const& expected : known) {
    auto const input = halfstep_test::model(expected.name);
    auto const p =
        plan_for(input, {.target = {.format = format_of<halfstep::int8_tensor>}, .markers = halfstep::marker_style::none});
    EXPECT_EQ(p.output.data_bytes(), input.data_bytes() - expected.elements + 4 * expected.layers) << expected.name;
  }
}

TEST(RealModels, RotateEveryLayerOfFluxInGroupsOf256) {
  auto const p = plan_for(halfstep_test::model("flux1_dev"),
                          {.target = {.format = format_of<halfstep::int8_axis>, .bases = {halfstep::convrot(256)}}});
  for (auto const& t : p.tensors)
    if (t.what == action::quantize) {
      EXPECT_EQ(halfstep::rotation_group_of(t.how.bases), 256) << t.input.name;
    }
  EXPECT_TRUE(p.notes.empty());
}

/// The tensors of all-MiniLM-L6-v2, an encoder that belongs to no known family.
halfstep::safetensors::header sentence_encoder() {
  std::vector<halfstep::safetensors::tensor_spec> specs{{"embeddings.position_ids", dtype::i64, {1, 512}},
                                                        {"embeddings.word_embeddings.weight", dtype::f32, {30522, 384}},
                                                        {"embeddings.position_embeddings.weight", dtype::f32, {512, 384}},
                                                        {"embeddings.token_type_embeddings.weight", dtype::f32, {2, 384}},
                                                        {"embeddings.LayerNorm.weight", dtype::f32, {384}},
                                                        {"embeddings.LayerNorm.bias", dtype::f32, {384}},
                                                        {"pooler.dense.weight", dtype::f32, {384, 384}},
                                                        {"pooler.dense.bias", dtype::f32, {384}}};
  for (int i = 0; i < 6; ++i) {
    std::string const layer = "encoder.layer." + std::to_string(i) + ".";
    for (std::string const norm : {"attention.output.LayerNorm", "output.LayerNorm"})
      for (std::string const part : {".weight", ".bias"}) specs.push_back({layer + norm + part, dtype::f32, {384}});
    auto const linear = [&](std::string const& name, std::uint64_t rows, std::uint64_t columns) {
      specs.push_back({layer + name + ".weight", dtype::f32, {rows, columns}});
      specs.push_back({layer + name + ".bias", dtype::f32, {rows}});
    };
    for (std::string const name : {"self.query", "self.key", "self.value", "output.dense"}) linear("attention." + name, 384, 384);
    linear("intermediate.dense", 1536, 384);
    linear("output.dense", 384, 1536);
  }
  return halfstep_test::header_of(std::move(specs));
}

TEST(RealModels, OfNoKnownFamilyHaveTheLinearsOfTheirBlocksQuantized) {
  for (plan_options const& options : {plan_options{.target = {.format = format_of<halfstep::int8_block<64>>}},
                                      plan_options{.target = {.format = format_of<halfstep::int8_block<128>>}},
                                      plan_options{.target = {.format = format_of<halfstep::int8_axis>}},
                                      plan_options{.target = {.format = format_of<halfstep::fp16>}}}) {
    auto const p = plan_for(sentence_encoder(), options);
    EXPECT_TRUE(p.families.empty());
    EXPECT_EQ(quantized(p).layers, 36u);
    for (auto const& t : p.tensors)
      if (t.what == action::quantize) {
        EXPECT_TRUE(t.input.name.starts_with("encoder.layer.")) << t.input.name;
      }
  }
}

TEST(RealModels, KeepWhatABlockOf256CannotStore) {
  auto const p = plan_for(sentence_encoder(), {.target = {.format = format_of<halfstep::int8_block<256>>}});
  EXPECT_EQ(quantized(p).layers, 0u);
  ASSERT_EQ(p.warnings.size(), 2u);
  EXPECT_NE(p.warnings[0].find("36 layers cannot be stored as int8_blockwise 256"), std::string::npos);
}

TEST(RealModels, OfColumns384TakeRotationGroupsOf64) {
  auto const p =
      plan_for(sentence_encoder(), {.target = {.format = format_of<halfstep::int8_axis>, .bases = {halfstep::convrot(256)}}});
  for (auto const& t : p.tensors)
    if (t.what == action::quantize) {
      EXPECT_EQ(halfstep::rotation_group_of(t.how.bases), t.input.shape[1] == 384 ? 64 : 256) << t.input.name;
    }
}

}  // namespace
