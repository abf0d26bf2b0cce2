#include <halfstep/lora/layer_index.hpp>

#include <set>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <halfstep/core/error.hpp>
#include <halfstep/lora/names/families.hpp>

#include "files.hpp"

namespace {

using halfstep::layer_index;
using halfstep::lora_target;
using halfstep::name_families;
using halfstep::row_run;
using halfstep::row_slice;
using halfstep_test::made_file;
using halfstep_test::message_of;
using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

std::vector<row_run> rows_of(std::vector<lora_target> const& targets) {
  return targets.size() == 1 ? targets[0].rows : std::vector<row_run>{{-1, -1, -1}};
}

TEST(LayerIndex, GivesPartsOfFusedLayersTheirRows) {
  auto const model =
      made_file().ones("double_blocks.7.img_attn.qkv.weight", {12, 4}).ones("single_blocks.0.linear1.weight", {28, 4}).head();
  layer_index const layers(model);
  EXPECT_THAT(rows_of(layers.find("transformer.transformer_blocks.7.attn.to_q")), ElementsAre(row_run{0, 0, 4}));
  EXPECT_THAT(rows_of(layers.find("lora_transformer_transformer_blocks_7_attn_to_v")), ElementsAre(row_run{0, 8, 4}));
  EXPECT_THAT(rows_of(layers.find("single_transformer_blocks.0.proj_mlp")), ElementsAre(row_run{0, 12, 16}));
  EXPECT_THAT(rows_of(layers.find("double_blocks.7.img_attn.qkv")), IsEmpty());
  EXPECT_THAT(layers.find("transformer_blocks.8.attn.to_q"), IsEmpty());
}

TEST(LayerIndex, GivesSeparateLayersTheirRowsOfAFusedOne) {
  auto const model = made_file()
                         .ones("transformer_blocks.0.attn.to_q.weight", {4, 4})
                         .ones("transformer_blocks.0.attn.to_k.weight", {4, 4})
                         .ones("transformer_blocks.0.attn.to_v.weight", {4, 4})
                         .head();
  auto const found = layer_index(model).find("double_blocks.0.img_attn.qkv");
  ASSERT_THAT(found, SizeIs(3));
  std::set<halfstep::index_t> from;
  for (auto const& target : found) from.insert(target.rows.at(0).from);
  EXPECT_THAT(from, ElementsAre(0, 4, 8));
}

TEST(LayerIndex, SwapsHalvesOfScaleAndShift) {
  auto const model = made_file().ones("final_layer.adaLN_modulation.1.weight", {8, 4}).head();
  EXPECT_THAT(rows_of(layer_index(model).find("norm_out.linear")), ElementsAre(row_run{4, 0, 4}, row_run{0, 4, 4}));
}

TEST(LayerIndex, OffersNoRowsThatALayerDoesNotHave) {
  auto const model =
      made_file().ones("single_blocks.0.linear1.weight", {12, 4}).ones("double_blocks.0.img_attn.qkv.weight", {4, 4}).head();
  layer_index const layers(model);
  EXPECT_THAT(layers.find("single_transformer_blocks.0.proj_mlp"), IsEmpty());
  EXPECT_THAT(layers.find("transformer_blocks.0.attn.to_k"), IsEmpty());
}

TEST(LayerIndex, PrefersANameOfTheModelToThatOfAFamily) {
  auto const model = made_file().ones("proj_out.weight", {4, 4}).ones("final_layer.linear.weight", {4, 4}).head();
  auto const found = layer_index(model).find("transformer.proj_out");
  ASSERT_THAT(found, SizeIs(1));
  EXPECT_EQ(*found[0].layer, "proj_out");
}

TEST(LayerIndex, TakesTheNamesOfFamiliesForTheNearestLayerToo) {
  auto const model =
      made_file().ones("double_blocks.0.img_attn.qkv.weight", {12, 4}).ones("transformed.0.attn.weight", {4, 4}).head();
  EXPECT_EQ(*layer_index(model).nearest("transformer.transformer_blocks.5.attn.to_q"), "double_blocks.0.img_attn.qkv");
}

TEST(LayerIndex, FindsTheTextEncoderThatANameSpeaksOf) {
  auto const model = made_file()
                         .ones("conditioner.embedders.0.transformer.text_model.encoder.layers.0.mlp.fc1.weight", {8, 4})
                         .ones("conditioner.embedders.1.model.transformer.resblocks.0.mlp.c_fc.weight", {12, 6})
                         .ones("conditioner.embedders.1.model.transformer.resblocks.0.attn.in_proj_weight", {18, 6})
                         .ones("text_encoders.t5xxl.transformer.encoder.block.0.layer.0.SelfAttention.q.weight", {4, 4})
                         .head();
  layer_index const layers(model);
  auto const found = [&](std::string const& name) {
    auto const targets = layers.find(name);
    return targets.size() == 1 ? *targets[0].layer : "";
  };
  for (std::string const first :
       {"lora_te1_text_model_encoder_layers_0_mlp_fc1", "text_encoder.text_model.encoder.layers.0.mlp.fc1"})
    EXPECT_EQ(found(first), "conditioner.embedders.0.transformer.text_model.encoder.layers.0.mlp.fc1");
  for (std::string const second :
       {"lora_te2_text_model_encoder_layers_0_mlp_fc1", "text_encoder_2.text_model.encoder.layers.0.mlp.fc1"})
    EXPECT_EQ(found(second), "conditioner.embedders.1.model.transformer.resblocks.0.mlp.c_fc");
  EXPECT_THAT(rows_of(layers.find("lora_te2_text_model_encoder_layers_0_self_attn_k_proj")), ElementsAre(row_run{0, 6, 6}));
  for (std::string const t5 :
       {"lora_te3_encoder_block_0_layer_0_SelfAttention_q", "lora_te2_encoder_block_0_layer_0_SelfAttention_q"})
    EXPECT_EQ(found(t5), "text_encoders.t5xxl.transformer.encoder.block.0.layer.0.SelfAttention.q");
  EXPECT_EQ(found("lora_unet_text_model_encoder_layers_0_mlp_fc1"), "");
}

TEST(LayerIndex, RefusesANameThatTwoLayersAnswerTo) {
  auto const model = made_file().ones("unet.x_embedder.q.weight", {4, 4}).ones("net.x_embedder.q.weight", {4, 4}).head();
  layer_index const layers(model);
  EXPECT_THAT(message_of([&] { layers.find("transformer.x_embedder.q"); }),
              AllOf(HasSubstr("'net.x_embedder.q'"), HasSubstr("'unet.x_embedder.q'")));
}

TEST(NameFamilies, HaveEachNameOnceAndAsManyNumbersInBoth) {
  auto const numbers = [](std::string_view text) {
    int count = 0;
    for (auto at = text.find("{}"); at != text.npos; at = text.find("{}", at + 2)) ++count;
    return count;
  };
  for (auto const& family : name_families) {
    std::set<std::pair<std::string_view, std::string_view>> seen;
    std::vector<halfstep::name_pair> pairs(family.pairs.begin(), family.pairs.end());
    pairs.insert(pairs.end(), family.parts.begin(), family.parts.end());
    for (auto const& pair : pairs) {
      EXPECT_EQ(numbers(pair.first), numbers(pair.second)) << family.name << ": " << pair.first;
      EXPECT_TRUE(seen.emplace(pair.first, pair.second).second) << family.name << ": " << pair.first;
    }
  }
}

}  // namespace
