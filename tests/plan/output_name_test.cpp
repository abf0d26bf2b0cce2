#include <halfstep/plan/output_name.hpp>

#include <string>
#include <string_view>

#include <gtest/gtest.h>

#include <halfstep/plan/plan.hpp>

#include "models.hpp"

namespace {

using halfstep::code_search;
using halfstep::default_output_name;
using halfstep::plan;
using halfstep::planned_tensor;
using halfstep::recipe;
using halfstep::recipe_choice;
using halfstep::scheme;

plan of(std::initializer_list<recipe> recipes) {
  plan p;
  for (auto const& r : recipes) p.tensors.push_back({{}, halfstep::action::quantize, r, {}, {}});
  return p;
}

TEST(OutputName, NamesTheStandardRecipeShortly) {
  recipe const standard{.format = scheme::int8_axis, .rotation_group = 256};
  EXPECT_EQ(
      default_output_name("models/flux.safetensors", of({standard}), standard, recipe_choice::standard, code_search::simple),
      "models/flux_comfyui_int8.safetensors");
}

TEST(OutputName, TellsSearchFormatAndBlockSizeOtherwise) {
  recipe const block{.block_size = 64};
  auto const name = [&](recipe const& target, code_search search) {
    return default_output_name("a.b.safetensors", of({target}), target, recipe_choice::flags, search);
  };
  EXPECT_EQ(name(block, code_search::simple), "a.b_simple_int8_bs64.safetensors");
  EXPECT_EQ(name(block, code_search::learned), "a.b_learned_int8_bs64.safetensors");
  EXPECT_EQ(name({.format = scheme::fp8_tensor}, code_search::learned), "a.b_learned_fp8_bs128.safetensors");
  EXPECT_EQ(name({.format = scheme::fp16}, code_search::simple), "a.b_simple_fp16_bs128.safetensors");
}

TEST(OutputName, SaysMixedForSeveralFormatsOrBlockSizesButNotForRotations) {
  recipe const axis{.format = scheme::int8_axis};
  recipe const rotated{.format = scheme::int8_axis, .rotation_group = 64};
  auto const name = [&](plan const& p) {
    return default_output_name("m.safetensors", p, recipe{}, recipe_choice::flags, code_search::simple);
  };
  EXPECT_EQ(name(of({recipe{}, axis})), "m_simple_int8mixed_bs128.safetensors");
  EXPECT_EQ(name(of({recipe{}, {.block_size = 64}})), "m_simple_int8mixed_bs128.safetensors");
  EXPECT_EQ(name(of({axis, rotated})), "m_simple_int8_bs128.safetensors");
}

TEST(OutputName, LeavesTheEndingsOfModelsOff) {
  auto const name = [](std::string_view input) {
    return default_output_name(input, {}, {}, recipe_choice::standard, code_search::simple);
  };
  EXPECT_EQ(name("d/model.safetensors.index.json"), "d/model_comfyui_int8.safetensors");
  EXPECT_EQ(name("d/model.safetensors.index.fp16.json"), "d/model_comfyui_int8.safetensors");
  EXPECT_EQ(name("d/flux/"), "d/flux_comfyui_int8.safetensors");
  EXPECT_EQ(name("d/flux.bin"), "d/flux.bin_comfyui_int8.safetensors");
  EXPECT_EQ(name(".safetensors"), ".safetensors_comfyui_int8.safetensors");
}

}  // namespace
