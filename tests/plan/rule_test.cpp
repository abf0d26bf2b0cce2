#include <halfstep/plan/rule.hpp>

#include <string>
#include <vector>

#include <gtest/gtest.h>

namespace {

using halfstep::action;
using halfstep::family_named;
using halfstep::family_rule;
using halfstep::general_rule;
using halfstep::model_family;

TEST(FamilyRule, RemovesRatherThanKeeps) {
  std::vector<model_family const*> const t5{family_named("t5xxl")};
  EXPECT_EQ(family_rule("lm_head.weight", t5).what, action::remove);
  EXPECT_EQ(family_rule("decoder.block.0.layer.0.layer_norm.weight", t5).what, action::remove);
  EXPECT_EQ(family_rule("shared.weight", t5).what, action::keep);
  EXPECT_EQ(family_rule("encoder.block.0.layer.0.SelfAttention.q.weight", t5).what, action::quantize);
}

TEST(FamilyRule, UnitesFamilies) {
  std::vector<model_family const*> const both{family_named("visual"), family_named("t5xxl")};
  EXPECT_EQ(family_rule("layers.0.mlp.up_proj.weight", both).what, action::keep);
  EXPECT_EQ(family_rule("shared.weight", both).what, action::keep);
  EXPECT_EQ(family_rule("decoder.mlp.up_proj.weight", both).what, action::remove);
  EXPECT_EQ(family_rule("layers.0.self_attn.q_proj.weight", both).what, action::quantize);
}

TEST(FamilyRule, NamesTheFamilyAndThePart) {
  std::vector<model_family const*> const flux{family_named("flux1")};
  EXPECT_EQ(family_rule("model.img_in.weight", flux).reason, "flux1 keeps 'img_in'");
  EXPECT_EQ(family_rule("decoder.x.weight", std::vector{family_named("t5xxl")}).reason, "t5xxl removes 'decoder'");
}

struct expectation {
  std::string name;
  std::string reason;
};

TEST(GeneralRule, KeepsWhatIsNoLinearOfABlock) {
  for (auto const& [name, reason] : std::vector<expectation>{{"pooler.dense.weight", "outside the indexed blocks"},
                                                             {"embeddings.word_embeddings.weight", "looks like an embedding"},
                                                             {"model.embed_tokens.weight", "looks like an embedding"},
                                                             {"h.0.wte.weight", "looks like an embedding"},
                                                             {"blocks.0.t_embedder.mlp.0.weight", "looks like an embedding"},
                                                             {"blocks.0.pos_net.weight", "looks like a position embedding"},
                                                             {"blocks.0.position.weight", "looks like a position embedding"},
                                                             {"time_in.0.weight", "looks like a time embedder"},
                                                             {"blocks.3.timesteps.weight", "looks like a time embedder"},
                                                             {"guidance_in.0.weight", "looks like a guidance embedder"},
                                                             {"layers.0.mlp.router.weight", "looks like a router"},
                                                             {"layers.0.mlp.gate.weight", "looks like a router"},
                                                             {"head.0.weight", "looks like a head"},
                                                             {"lm_head.weight", "looks like a head"},
                                                             {"final_layer.adaLN.1.weight", "looks like a final layer"},
                                                             {"layers.0.attention_norm.weight", "looks like a norm"},
                                                             {"blocks.0.norm1.linear.weight", "looks like a norm"},
                                                             {"blocks.0.LayerNorm.weight", "looks like a norm"}}) {
    auto const verdict = general_rule(name, {1024, 1024});
    EXPECT_EQ(verdict.what, action::keep) << name;
    EXPECT_EQ(verdict.reason, reason) << name;
  }
}

TEST(GeneralRule, QuantizesLinearsOfBlocksWhoseNamesOnlyResembleOthers) {
  for (std::string const name :
       {"layers.0.mlp.gate_proj.weight", "blocks.12.multihead_attn.out.weight", "encoder.layer.0.output.dense.weight",
        "blocks.0.sometimes.weight", "blocks.0.finalize.weight", "blocks.0.compose.weight", "0.weight"})
    EXPECT_EQ(general_rule(name, {256, 256}).what, action::quantize) << name;
}

TEST(GeneralRule, KeepsWhatIsTooSmallToGain) {
  EXPECT_EQ(general_rule("layers.0.q.weight", {255, 4096}).what, action::keep);
  EXPECT_EQ(general_rule("layers.0.q.weight", {4096, 255}).what, action::keep);
  EXPECT_EQ(general_rule("layers.0.q.weight", {256, 4096}).what, action::quantize);
}

}  // namespace
