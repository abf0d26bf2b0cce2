#include <halfstep/lora/adapter_key.hpp>

#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <halfstep/safetensors/layer_name.hpp>

namespace {

using halfstep::adapter_part;
using halfstep::name_form;
using halfstep::parse_adapter_key;
using halfstep::without_prefix;

void expect(std::string const& tensor, std::string const& layer, adapter_part part) {
  auto const key = parse_adapter_key(tensor);
  ASSERT_TRUE(key) << tensor;
  EXPECT_EQ(key->layer, layer) << tensor;
  EXPECT_EQ(key->part, part) << tensor;
}

TEST(AdapterKey, TellsLayersAndPartsInTheSpellingsOfAllPrograms) {
  expect("transformer.x.0.lora_A.weight", "transformer.x.0", adapter_part::down);
  expect("base_model.model.x.lora_B.default.weight", "base_model.model.x", adapter_part::up);
  expect("x.lora_B.my_style.bias", "x", adapter_part::up_bias);
  expect("x.lora_A", "x", adapter_part::down);
  expect("lora_unet_x_0.lora_up.weight", "lora_unet_x_0", adapter_part::up);
  expect("lora_unet_x_0.lora_mid.weight", "lora_unet_x_0", adapter_part::middle);
  expect("unet.x.lora.down.weight", "unet.x", adapter_part::down);
  expect("text_encoder.x.lora_linear_layer.up.weight", "text_encoder.x", adapter_part::up);
  expect("unet.x.attn1.processor.to_q_lora.down.weight", "unet.x.attn1.to_q", adapter_part::down);
  expect("x_lora.alpha", "x", adapter_part::alpha);
  expect("x.alpha", "x", adapter_part::alpha);
  expect("x.diff", "x", adapter_part::difference);
  expect("x.diff_b", "x", adapter_part::bias_difference);
  expect("blocks.3.diff_m", "blocks.3.modulation", adapter_part::difference);
  expect("x.w_norm", "x", adapter_part::difference);
  expect("x.lora_magnitude_vector.default.weight", "x", adapter_part::magnitude);
  expect("x.dora_scale", "x", adapter_part::dora_scale);
  expect("x.hada_w1_a", "x", adapter_part::hada_w1_a);
  expect("x.lokr_w1_b", "x", adapter_part::lokr_w1_b);
  expect("x.lokr_t2", "x", adapter_part::lokr_t2);
}

TEST(AdapterKey, NumbersTheStreamsOfAttentionProcessors) {
  expect("double_blocks.0.processor.qkv_lora1.down.weight", "double_blocks.0.qkv1", adapter_part::down);
  expect("double_blocks.0.processor.proj_lora2.up.weight", "double_blocks.0.proj2", adapter_part::up);
  expect("single_blocks.0.processor.qkv_lora.up.weight", "single_blocks.0.qkv", adapter_part::up);
}

TEST(AdapterKey, KnowsNoPartInOtherNames) {
  for (std::string const name :
       {"x.weight", "x.bias", "x.oft_blocks", "x.lora_E", ".lora_A.weight", "lora_A.weight", "x.lora_A.a.b.weight"})
    EXPECT_FALSE(parse_adapter_key(name)) << name;
}

TEST(LayerName, LosesThePrefixesOfAllProgramsHoweverManyStandInARow) {
  auto const bare = [](std::string const& name) { return without_prefix(name).text; };
  for (std::string const prefix : {"", "base_model.model.", "base_model.model.transformer.", "_orig_mod.", "module._orig_mod.",
                                   "net.", "unet.base_model.model.", "model.diffusion_model.", "diffusion_model.",
                                   "text_encoder_2.", "transformer._checkpoint_wrapped_module."})
    EXPECT_EQ(bare(prefix + "blocks.0.q"), "blocks.0.q") << prefix;
  for (std::string const prefix : {"lora_unet_", "lora_unet__", "lora_transformer_", "lycoris_", "lora_te3_"}) {
    EXPECT_EQ(bare(prefix + "blocks_0_q"), "blocks_0_q") << prefix;
    EXPECT_EQ(without_prefix(prefix + "blocks_0_q").form, name_form::underscored) << prefix;
  }
  EXPECT_EQ(bare("blocks.0._orig_mod.q"), "blocks.0.q");
  EXPECT_EQ(bare("transformer.blocks._orig_mod.0.q"), "blocks.0.q");
}

TEST(LayerName, KeepsWhatOnlyResemblesAPrefix) {
  for (std::string const name : {"net", "net.", "subnet.0.q", "transformers.q", "my_orig_mod.q", "lora_unet_", "blocks.net.q"})
    EXPECT_EQ(without_prefix(name).text, name);
}

TEST(LayerName, TellsWhichTextEncoderANameSpeaksOf) {
  EXPECT_EQ(without_prefix("lora_te2_x").text_encoder, 2);
  EXPECT_EQ(without_prefix("lora_te_x").text_encoder, 1);
  EXPECT_EQ(without_prefix("text_encoder_3.x").text_encoder, 3);
  EXPECT_EQ(without_prefix("lora_unet_x").text_encoder, 0);
}

}  // namespace
