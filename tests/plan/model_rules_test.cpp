#include <halfstep/plan/model_rules.hpp>

#include <algorithm>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <halfstep/layout/int8_axis.hpp>
#include <halfstep/layout/int8_tensor.hpp>
#include <halfstep/plan/plan.hpp>

#include "models.hpp"

namespace {

using halfstep::action;
using halfstep::dtype;
using halfstep::format_of;
using halfstep::plan;
using halfstep::plan_options;
using halfstep::planned_tensor;
using halfstep::rule_source;
using halfstep_test::header_of;
using halfstep_test::plan_for;
using testing::HasSubstr;
using testing::IsEmpty;
using tensor_specs = std::vector<halfstep::safetensors::tensor_spec>;

planned_tensor const& of(plan const& p, std::string const& name) {
  auto const found = std::ranges::find_if(p.tensors, [&](auto const& t) { return t.input.name == name; });
  if (found == p.tensors.end()) throw std::runtime_error("no tensor " + name);
  return *found;
}

/// A T5, a CLIP and a VAE as they lie beside a diffusion model, by the names of several generations of files.
tensor_specs const companions{
    {"first_stage_model.decoder.mid.attn_1.q.weight", dtype::f16, {512, 512}},
    {"vae.decoder.up.0.weight", dtype::f16, {512, 512}},
    {"cond_stage_model.transformer.text_model.encoder.layers.0.mlp.fc1.weight", dtype::f16, {4096, 1024}},
    {"conditioner.embedders.1.model.transformer.resblocks.0.mlp.c_fc.weight", dtype::f16, {5120, 1280}},
    {"text_encoders.t5xxl.transformer.shared.weight", dtype::f16, {32128, 4096}},
    {"text_encoders.t5xxl.transformer.encoder.block.0.layer.0.SelfAttention.q.weight", dtype::f16, {4096, 4096}},
    {"text_encoders.qwen25_7b.transformer.model.layers.0.self_attn.q_proj.weight", dtype::bf16, {3584, 3584}},
    {"text_encoders.qwen25_7b.transformer.model.layers.0.mlp.down_proj.weight", dtype::bf16, {3584, 18944}},
    {"model_ema.decay", dtype::f32, {}}};

halfstep::safetensors::header all_in_one(tensor_specs const& diffusion_model) {
  tensor_specs all = companions;
  for (auto const& t : diffusion_model) all.push_back({"model.diffusion_model." + t.name, t.type, t.shape});
  return header_of(std::move(all));
}

tensor_specs flux_block() {
  return {{"img_in.weight", dtype::bf16, {3072, 64}},
          {"double_blocks.0.img_attn.norm.key_norm.scale", dtype::bf16, {128}},
          {"double_blocks.0.img_attn.qkv.weight", dtype::bf16, {9216, 3072}}};
}

void expect_companions_kept(plan const& p) {
  for (auto const& t : companions) {
    EXPECT_EQ(of(p, t.name).what, action::keep) << t.name;
    ASSERT_NE(p.output.find(t.name), nullptr) << t.name;
    EXPECT_EQ(p.output.find(t.name)->type, t.type) << t.name;
  }
}

TEST(ModelRules, ChangeOnlyTheDiffusionModelOfAnAllInOneFile) {
  auto const p = plan_for(all_in_one(flux_block()), {.target = {.format = format_of<halfstep::int8_axis>}});
  EXPECT_EQ(p.rules,
            "rules of flux1 (recognised from the tensor names); only the diffusion model of this all-in-one file changes");
  expect_companions_kept(p);
  EXPECT_EQ(of(p, companions[0].name).reason, "outside the diffusion model");
  EXPECT_EQ(of(p, "model.diffusion_model.double_blocks.0.img_attn.qkv.weight").what, action::quantize);
  EXPECT_EQ(of(p, "model.diffusion_model.img_in.weight").reason, "flux1 keeps 'img_in'");
  EXPECT_THAT(p.warnings, IsEmpty());
}

TEST(ModelRules, RecogniseNoTextEncoderBesideAnUnknownDiffusionModel) {
  auto const p = plan_for(all_in_one({{"things.0.q.weight", dtype::bf16, {512, 512}}, {"head.weight", dtype::bf16, {512, 512}}}),
                          {.target = {.format = format_of<halfstep::int8_axis>}});
  EXPECT_EQ(p.rules, "no known model family: the general rule; only the diffusion model of this all-in-one file changes");
  expect_companions_kept(p);
  EXPECT_EQ(of(p, "model.diffusion_model.things.0.q.weight").what, action::quantize);
  EXPECT_EQ(of(p, "model.diffusion_model.head.weight").what, action::keep);
}

TEST(ModelRules, RemoveNothingOutsideTheDiffusionModel) {
  auto const p = plan_for(all_in_one(flux_block()), {.rules = rule_source::named, .families = {"t5xxl", "flux1"}});
  expect_companions_kept(p);
}

TEST(ModelRules, GiveNoFallbackToWhatLiesOutsideTheDiffusionModel) {
  plan_options options{.target = {.format = format_of<halfstep::int8_axis>}};
  options.fallback = halfstep::recipe{.format = format_of<halfstep::int8_tensor>};
  auto const p = plan_for(all_in_one(flux_block()), options);
  expect_companions_kept(p);
  EXPECT_EQ(of(p, "model.diffusion_model.img_in.weight").how.format, format_of<halfstep::int8_tensor>);
}

TEST(ModelRules, LetFlagsReachEverything) {
  auto const p = plan_for(all_in_one(flux_block()), {.target = {.format = format_of<halfstep::int8_axis>}, .include = {"fc1"}});
  EXPECT_EQ(of(p, companions[2].name).what, action::quantize);
  auto const none =
      plan_for(all_in_one(flux_block()), {.target = {.format = format_of<halfstep::int8_axis>}, .rules = rule_source::none});
  EXPECT_EQ(of(none, companions[0].name).what, action::quantize);
  EXPECT_THAT(none.rules, HasSubstr("those outside the diffusion model of this file too"));
}

TEST(ModelRules, TakeAFileOfOneModelOrALoraForNoAllInOne) {
  auto const part = flux_block();
  tensor_specs prefixed;
  for (auto const& t : part) prefixed.push_back({"model.diffusion_model." + t.name, t.type, t.shape});
  EXPECT_EQ(plan_for(header_of(prefixed), {}).rules, "rules of flux1 (recognised from the tensor names)");
  auto const lora = plan_for(header_of({{"model.diffusion_model.x.0.lora_A.weight", dtype::bf16, {512, 512}},
                                        {"text_encoders.y.0.lora_A.weight", dtype::bf16, {512, 512}}}),
                             {.target = {.format = format_of<halfstep::int8_axis>},
                              .markers = halfstep::marker_style::none,
                              .rules = rule_source::named,
                              .families = {"lora"}});
  EXPECT_EQ(lora.rules, "rules of lora (as asked)");
  EXPECT_EQ(of(lora, "text_encoders.y.0.lora_A.weight").what, action::quantize);
}

/// A weight that each family quantizes and one for every part it keeps or removes, under a prefix.
TEST(ModelRules, ReachEveryPartOfEveryFamilyWhateverThePrefix) {
  for (auto const& family : halfstep::model_families)
    for (std::string const prefix : {"model.diffusion_model.", "net.", ""}) {
      tensor_specs specs{{prefix + "zz.7.zz.weight", dtype::bf16, {512, 512}}};
      for (auto const part : family.keep)
        specs.push_back({prefix + "zz" + std::string(part) + "zz.weight", dtype::bf16, {512, 512}});
      for (auto const part : family.remove)
        specs.push_back({prefix + "ww" + std::string(part) + "ww.weight", dtype::bf16, {512, 512}});
      std::ranges::sort(specs, {}, &halfstep::safetensors::tensor_spec::name);
      auto const twice = std::ranges::unique(specs, {}, &halfstep::safetensors::tensor_spec::name);
      specs.erase(twice.begin(), twice.end());
      plan_options const options{.target = {.format = format_of<halfstep::int8_axis>},
                                 .rules = rule_source::named,
                                 .families = {std::string(family.name)}};
      auto const p = plan_for(header_of(specs), options);
      EXPECT_EQ(of(p, prefix + "zz.7.zz.weight").what, action::quantize) << family.name << prefix;
      for (auto const part : family.keep) {
        auto const& t = of(p, prefix + "zz" + std::string(part) + "zz.weight");
        bool const goes = !halfstep::part_in(t.input.name, family.remove).empty();
        EXPECT_EQ(t.what, goes ? action::remove : action::keep) << family.name << " " << part;
        EXPECT_THAT(t.reason, testing::StartsWith(std::string(family.name) + (goes ? " removes '" : " keeps '")));
      }
      for (auto const part : family.remove)
        EXPECT_EQ(of(p, prefix + "ww" + std::string(part) + "ww.weight").what, action::remove) << family.name << " " << part;
    }
}

/// Every family from a name list made of its signs: recognised, and its rules applied to what else lies in the file.
TEST(ModelRules, AreThoseOfTheFamilyWhoseSignsTheNamesShow) {
  for (auto const& family : halfstep::model_families)
    for (auto const signs : family.detect)
      for (std::string const prefix : {"model.diffusion_model.", "net.", ""}) {
        tensor_specs specs{{prefix + "zz.7.zz.weight", dtype::bf16, {512, 512}}};
        for (auto const sign : signs) {
          std::string const name(sign);
          specs.push_back(
              {prefix + (name.starts_with('.') ? "x" : "") + name + (name.ends_with(".weight") ? "" : "end"), dtype::bf16, {64}});
        }
        auto const p = plan_for(header_of(specs), {.target = {.format = format_of<halfstep::int8_axis>}});
        EXPECT_THAT(p.families, testing::ElementsAre(std::string(family.name))) << prefix;
        EXPECT_EQ(of(p, prefix + "zz.7.zz.weight").what, action::quantize) << family.name;
        EXPECT_FALSE(of(p, prefix + "zz.7.zz.weight").reason.empty());
      }
}

TEST(ModelRules, KeepTheLastBlocksWhateverTheirNumber) {
  for (int const depth : {1, 4, 28, 64}) {
    tensor_specs specs;
    for (int i = 0; i < depth; ++i)
      for (std::string const name : {"linear_attn.in_proj_a", "linear_attn.in_proj_b", "mlp.up_proj"})
        specs.push_back({"model.layers." + std::to_string(i) + "." + name + ".weight", dtype::bf16, {512, 512}});
    for (int i = 0; i < 70; ++i) specs.push_back({"other.layers." + std::to_string(i) + ".x.weight", dtype::bf16, {512, 512}});
    auto const p = plan_for(header_of(specs), {});
    EXPECT_THAT(p.families, testing::ElementsAre("qwen35"));
    for (int i = 0; i < depth; ++i) {
      auto const& t = of(p, "model.layers." + std::to_string(i) + ".mlp.up_proj.weight");
      EXPECT_EQ(t.what, i == 0 || i == depth - 1 ? action::keep : action::quantize) << i << " of " << depth;
      if (i != 0 && i == depth - 1) {
        EXPECT_EQ(t.reason, "qwen35 keeps the last blocks '.layers." + std::to_string(i) + ".'");
      }
    }
    EXPECT_EQ(of(p, "other.layers.63.x.weight").what, action::quantize);
    EXPECT_EQ(of(p, "other.layers.69.x.weight").what, action::keep);
  }
}

TEST(ModelRules, KeepTheLastTwoBlocksOfAFamilyThatKeepsTwo) {
  tensor_specs specs{{"audio_adaln_single.linear.weight", dtype::bf16, {512, 512}},
                     {"adaln_single.emb.timestep_embedder.linear_1.bias", dtype::bf16, {512}}};
  for (int i = 0; i < 30; ++i)
    specs.push_back({"transformer_blocks." + std::to_string(i) + ".ff.weight", dtype::bf16, {512, 512}});
  auto const p = plan_for(header_of(specs), {});
  EXPECT_THAT(p.families, testing::ElementsAre("ltxv2"));
  for (int i = 0; i < 30; ++i)
    EXPECT_EQ(of(p, "transformer_blocks." + std::to_string(i) + ".ff.weight").what,
              i < 2 || i > 27 ? action::keep : action::quantize)
        << i;
}

TEST(ModelRules, RemoveOnlyWhatBelongsToTheModelThatWasRecognised) {
  for (std::string const prefix : {"", "te.t5xxl."}) {
    auto const p = plan_for(header_of({{prefix + "shared.weight", dtype::bf16, {512, 512}},
                                       {prefix + "encoder.block.0.layer.0.SelfAttention.q.weight", dtype::bf16, {512, 512}},
                                       {prefix + "decoder.block.0.layer.0.SelfAttention.q.weight", dtype::bf16, {512, 512}},
                                       {prefix + "decoders.0.weight", dtype::bf16, {512, 512}},
                                       {"vae.decoder.0.weight", dtype::bf16, {512, 512}},
                                       {"vae.encoder.0.weight", dtype::bf16, {512, 512}}}),
                            {});
    EXPECT_EQ(of(p, prefix + "decoder.block.0.layer.0.SelfAttention.q.weight").what, action::remove);
    EXPECT_EQ(of(p, prefix + "decoders.0.weight").what, action::keep);
    EXPECT_EQ(of(p, "vae.decoder.0.weight").what, action::keep);
    EXPECT_EQ(of(p, "vae.decoder.0.weight").reason, "no part of the model of which t5xxl removes 'decoder'");
    ASSERT_EQ(p.warnings.size(), 1u);
    EXPECT_EQ(p.warnings[0],
              "left out of the output: t5xxl removes '" + prefix +
                  "decoder' (1 tensor, 524 kB); `exclude` keeps what it names, and naming the family with `families` "
                  "says that they are to go");
  }
}

/// Every tensor of every plan has a reason, which the table of a dry run shows.
TEST(ModelRules, GiveEveryDecisionAReason) {
  for (auto const* name : {"flux1_dev", "t5xxl_encoder", "wan21_14b", "qwen_image", "z_image"})
    for (auto const source : {rule_source::detect, rule_source::none})
      for (auto const& t : plan_for(halfstep_test::model(name), {.rules = source}).tensors)
        EXPECT_FALSE(t.reason.empty()) << name << " " << t.input.name;
}

}  // namespace
