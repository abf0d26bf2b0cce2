#include <halfstep/plan/weight_role.hpp>

#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "models.hpp"

namespace {

using halfstep::dtype;
using halfstep::extents2;
using halfstep::is_expert_bank;
using halfstep::weight_role;
using halfstep::weight_roles;
using halfstep_test::header_of;

weight_role role_of(std::string const& layer, extents2 e = {1024, 512}) { return weight_roles().of(layer + ".weight", e); }

TEST(WeightRole, IsThatOfATableForWhatIsLookedUp) {
  for (std::string const name : {"model.embed_tokens",
                                 "model.embed_tokens_per_layer",
                                 "visual.pos_embed",
                                 "embeddings.token_type_embeddings",
                                 "embeddings.LayerNorm.word_embeddings",
                                 "encoder.block.0.layer.0.SelfAttention.relative_attention_bias",
                                 "shared",
                                 "transformer.wte",
                                 "h.wpe",
                                 "tok_embeddings",
                                 "quantizer.codebook",
                                 "decoder.embed_tokens.0",
                                 "point_embeddings.3",
                                 "mask_tokens",
                                 "y_embedder.embedding_table",
                                 "rel_pos_emb",
                                 "embeddings.word",
                                 "llm_adapter.embed",
                                 "image_index_embedding",
                                 "PositionalEmbedding",
                                 "a.position_ids"})
    EXPECT_EQ(role_of(name), weight_role::table) << name;
}

TEST(WeightRole, IsThatOfAProductForLinearLayersWhoseNamesSpeakOfTables) {
  for (std::string const name :
       {"embed_vision.embedding_projection", "text_embedding_projection", "x_embedder", "t_embedder.mlp.0", "context_embedder",
        "patch_embed.proj", "linear_pos", "blocks.0.attn.to_q", "blocks.0.mlp.gate_proj", "lm_head", "pos_mlp", "blocks.0.shared",
        "double_blocks.0.img_mod.lin", "blocks.0.norm1.linear", "norm_out.1", "unit.compose"})
    EXPECT_EQ(role_of(name), weight_role::multiplied) << name;
  EXPECT_EQ(weight_roles().of("model.embed_tokens", {8, 8}), weight_role::multiplied) << "no weight";
  EXPECT_EQ(role_of("blocks.0.embed.lora_A"), weight_role::multiplied);
  EXPECT_EQ(role_of("lora_unet_router.lora_up"), weight_role::multiplied);
}

TEST(WeightRole, IsThatOfAProductWhereThereIsABias) {
  auto const file = header_of({{"time_embedding.0.weight", dtype::f32, {512, 256}},
                               {"time_embedding.0.bias", dtype::f32, {512}},
                               {"x_embed.weight", dtype::f32, {512, 256}},
                               {"x_embed.bias", dtype::f32, {512}},
                               {"y_embed.weight", dtype::f32, {512, 256}}});
  weight_roles const roles(file);
  EXPECT_EQ(roles.of("time_embedding.0.weight", {512, 256}), weight_role::multiplied);
  EXPECT_EQ(roles.of("x_embed.weight", {512, 256}), weight_role::multiplied);
  EXPECT_EQ(roles.of("y_embed.weight", {512, 256}), weight_role::table);
}

TEST(WeightRole, IsThatOfARouterForGatesOfExperts) {
  for (std::string const name : {"layers.0.mlp.router", "layers.0.router.proj", "layers.0.mlp.shared_expert_gate",
                                 "layers.0.block_sparse_moe.gate", "layers.0.moe_gate", "layers.0.Router.layer"})
    EXPECT_EQ(role_of(name), weight_role::router) << name;
  auto const file = header_of({{"layers.0.mlp.gate.weight", dtype::f32, {8, 256}},
                               {"layers.0.mlp.experts.0.up_proj.weight", dtype::f32, {512, 256}},
                               {"layers.0.mlp.experts.0.gate.weight", dtype::f32, {512, 256}},
                               {"layers.1.mlp.gate.weight", dtype::f32, {512, 256}},
                               {"layers.2.mlp.gate.wg.weight", dtype::f32, {512, 256}},
                               {"layers.2.mlp.shared_experts.gate_up", dtype::f32, {512, 256}}});
  weight_roles const roles(file);
  EXPECT_EQ(roles.of("layers.0.mlp.gate.weight", {8, 256}), weight_role::router);
  EXPECT_EQ(roles.of("layers.2.mlp.gate.wg.weight", {512, 256}), weight_role::router);
  EXPECT_EQ(roles.of("layers.0.mlp.experts.0.gate.weight", {512, 256}), weight_role::multiplied)
      << "a gated product inside an expert";
  EXPECT_EQ(roles.of("layers.1.mlp.gate.weight", {512, 256}), weight_role::multiplied) << "a gated product without experts";
  EXPECT_EQ(role_of("layers.0.mlp.experts_gate_up_proj"), weight_role::multiplied);
}

TEST(WeightRole, IsThatOfANormForSmallWeightsThatAreCalledSo) {
  for (std::string const name : {"blocks.0.q_norm", "blocks.0.norm", "h.0.ln_1", "h.0.ln1", "a.LayerNorm"})
    EXPECT_EQ(role_of(name, {24, 128}), weight_role::norm) << name;
  EXPECT_EQ(role_of("blocks.0.norm", {3072, 1024}), weight_role::multiplied) << "no norm has such a shape";
}

TEST(WeightRole, KnowsBanksOfExperts) {
  auto const is_bank = [](std::string const& name, std::vector<std::uint64_t> shape) {
    return is_expert_bank(header_of({{name, dtype::bf16, std::move(shape)}}).tensors()[0]);
  };
  EXPECT_TRUE(is_bank("layers.0.mlp.experts.gate_up_proj", {4, 8, 8}));
  EXPECT_TRUE(is_bank("layers.0.mlp.experts.down_proj_blocks", {4, 8, 8, 16}));
  EXPECT_TRUE(is_bank("layers.0.block_sparse_moe.input_linear.weight", {4, 8, 8}));
  EXPECT_FALSE(is_bank("layers.0.mlp.experts.0.up_proj.weight", {8, 8}));
  EXPECT_FALSE(is_bank("conv.smoether.weight", {4, 8, 3}));
}

}  // namespace
