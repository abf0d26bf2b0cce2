#include <halfstep/plan/lora_file.hpp>

#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <halfstep/layout/fp16.hpp>
#include <halfstep/layout/int8_axis.hpp>
#include <halfstep/plan/plan.hpp>

#include "models.hpp"

namespace {

using halfstep::dtype;
using halfstep::format_of;
using halfstep::marker_style;
using halfstep::plan_options;
using halfstep::rule_source;
using halfstep_test::header_of;
using halfstep_test::plan_for;
using testing::AllOf;
using testing::HasSubstr;
using tensor_specs = std::vector<halfstep::safetensors::tensor_spec>;

tensor_specs pair(std::string const& layer, std::string const& down, std::string const& up) {
  return {{layer + down, dtype::bf16, {16, 512}}, {layer + up, dtype::bf16, {512, 16}}};
}

plan_options asked(marker_style markers) {
  return {.target = {.format = format_of<halfstep::int8_axis>},
          .markers = markers,
          .rules = rule_source::named,
          .families = {"lora"}};
}

std::string refusal_of(tensor_specs const& file, plan_options const& options) {
  try {
    plan_for(header_of(file), options);
  } catch (halfstep::usage_error const& e) {
    return e.what();
  }
  return {};
}

TEST(LoraFile, IsRefusedInEverySpellingUnlessItIsAskedFor) {
  for (auto const& [down, up] :
       std::vector<std::pair<std::string, std::string>>{{".lora_A.weight", ".lora_B.weight"},
                                                        {".lora_A.default.weight", ".lora_B.default.weight"},
                                                        {".lora_down.weight", ".lora_up.weight"},
                                                        {".lora.down.weight", ".lora.up.weight"},
                                                        {".lora_linear_layer.down.weight", ".lora_linear_layer.up.weight"},
                                                        {".processor.qkv_lora1.down.weight", ".processor.qkv_lora1.up.weight"},
                                                        {".hada_w1_a", ".hada_w1_b"},
                                                        {".lokr_w1", ".lokr_w2"}}) {
    auto const file = pair("blocks.0.attn", down, up);
    for (auto const rules : {rule_source::detect, rule_source::none})
      EXPECT_THAT(refusal_of(file, {.target = {.format = format_of<halfstep::int8_axis>}, .rules = rules}),
                  AllOf(HasSubstr("is a LoRA, as 'blocks.0.attn"), HasSubstr("`families lora`"), HasSubstr("`loras`")))
          << down;
    EXPECT_THAT(refusal_of(file, asked(marker_style::comfyui)), HasSubstr("`markers none`"));
    EXPECT_EQ(refusal_of(file, asked(marker_style::none)), "");
    EXPECT_EQ(refusal_of(file, {.target = {.format = format_of<halfstep::fp16>}}), "") << "FP16 needs no loader of its own";
  }
}

TEST(LoraFile, LoadsInNoComfyUI) {
  auto const p = plan_for(header_of(pair("blocks.0.attn", ".lora_A.weight", ".lora_B.weight")), asked(marker_style::none));
  EXPECT_EQ(p.needs, halfstep::loader::lora_engine);
  for (auto const& t : p.tensors) EXPECT_EQ(t.what, halfstep::action::quantize) << t.input.name;
}

TEST(LoraFile, IsNoModelThatHoldsAFewPairs) {
  auto model = pair("blocks.0.attn", ".lora_A.weight", ".lora_B.weight");
  for (int i = 0; i < 4; ++i) model.push_back({"blocks." + std::to_string(i) + ".mlp.weight", dtype::bf16, {512, 512}});
  EXPECT_EQ(halfstep::sign_of_lora(header_of(model)), nullptr);
  EXPECT_EQ(refusal_of(model, {.target = {.format = format_of<halfstep::int8_axis>}}), "");
}

}  // namespace
