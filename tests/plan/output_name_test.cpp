#include <halfstep/layout/fp16.hpp>
#include <halfstep/layout/fp8_tensor.hpp>
#include <halfstep/layout/int8_axis.hpp>
#include <halfstep/layout/int8_block.hpp>
#include <halfstep/plan/output_name.hpp>
#include <halfstep/recipe/bases.hpp>

#include <string>
#include <string_view>

#include <gtest/gtest.h>

#include <halfstep/plan/plan.hpp>

#include "models.hpp"

namespace {

using halfstep::code_search;
using halfstep::default_output_name;
using halfstep::format_of;
using halfstep::plan;
using halfstep::planned_tensor;
using halfstep::recipe;
using halfstep::recipe_choice;

plan of(std::initializer_list<recipe> recipes) {
  plan p;
  for (auto const& r : recipes) p.tensors.push_back({{}, halfstep::action::quantize, r, {}, {}});
  return p;
}

TEST(OutputName, NamesTheStandardRecipeShortly) {
  recipe const standard{.format = format_of<halfstep::int8_axis>, .bases = {halfstep::convrot(256)}};
  EXPECT_EQ(
      default_output_name("models/flux.safetensors", of({standard}), standard, recipe_choice::standard, code_search::simple, 128),
      "models/flux_comfyui_int8.safetensors");
}

TEST(OutputName, TellsSearchFormatAndBlockSizeOtherwise) {
  recipe const block{.format = format_of<halfstep::int8_block<64>>};
  auto const name = [&](recipe const& target, code_search search) {
    return default_output_name("a.b.safetensors", of({target}), target, recipe_choice::flags, search, 128);
  };
  EXPECT_EQ(name(block, code_search::simple), "a.b_simple_int8_bs64.safetensors");
  EXPECT_EQ(name(block, code_search::learned), "a.b_learned_int8_bs64.safetensors");
  EXPECT_EQ(name({.format = format_of<halfstep::fp8_tensor>}, code_search::learned), "a.b_learned_fp8_bs128.safetensors");
  EXPECT_EQ(name({.format = format_of<halfstep::fp16>}, code_search::simple), "a.b_simple_fp16_bs128.safetensors");
}

TEST(OutputName, SaysMixedForSeveralFormatsOrBlockSizesButNotForRotations) {
  recipe const axis{.format = format_of<halfstep::int8_axis>};
  recipe const rotated{.format = format_of<halfstep::int8_axis>, .bases = {halfstep::convrot(64)}};
  auto const name = [&](plan const& p) {
    return default_output_name("m.safetensors", p, recipe{.format = format_of<halfstep::int8_block<128>>}, recipe_choice::flags,
                               code_search::simple, 128);
  };
  EXPECT_EQ(name(of({recipe{.format = format_of<halfstep::int8_block<128>>}, axis})), "m_simple_int8mixed_bs128.safetensors");
  EXPECT_EQ(name(of({recipe{.format = format_of<halfstep::int8_block<128>>}, {.format = format_of<halfstep::int8_block<64>>}})),
            "m_simple_int8mixed_bs128.safetensors");
  EXPECT_EQ(name(of({axis, rotated})), "m_simple_int8_bs128.safetensors");
}

TEST(OutputName, LeavesTheEndingsOfModelsOff) {
  auto const name = [](std::string_view input) {
    return default_output_name(input, {}, {}, recipe_choice::standard, code_search::simple, 128);
  };
  EXPECT_EQ(name("d/model.safetensors.index.json"), "d/model_comfyui_int8.safetensors");
  EXPECT_EQ(name("d/model.safetensors.index.fp16.json"), "d/model_comfyui_int8.safetensors");
  EXPECT_EQ(name("d/flux/"), "d/flux_comfyui_int8.safetensors");
  EXPECT_EQ(name("d/flux.bin"), "d/flux.bin_comfyui_int8.safetensors");
  EXPECT_EQ(name(".safetensors"), ".safetensors_comfyui_int8.safetensors");
}

}  // namespace
