#include <halfstep/layout/fp16.hpp>
#include <halfstep/layout/fp8_block.hpp>
#include <halfstep/layout/fp8_tensor.hpp>
#include <halfstep/layout/int8_axis.hpp>
#include <halfstep/layout/int8_block.hpp>
#include <halfstep/plan/output_name.hpp>
#include <halfstep/recipe/bases.hpp>

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include <halfstep/plan/plan.hpp>

#include "models.hpp"

namespace {

using halfstep::default_output_name;
using halfstep::format_of;
using halfstep::known_of_inputs;
using halfstep::marker_style;
using halfstep::name_facts;
using halfstep::plan;
using halfstep::planned_tensor;
using halfstep::recipe;
using halfstep::recipe_choice;

plan of(std::initializer_list<recipe> recipes) {
  plan p;
  for (auto const& r : recipes) p.tensors.push_back({{}, halfstep::action::quantize, r, {}, {}});
  return p;
}

std::string name_of_run(recipe const& target, name_facts const& facts = {}, plan const& p = {}) {
  return default_output_name("m.safetensors", p, target, facts);
}

TEST(OutputName, NamesTheStandardRecipeShortlyAndWhatWasChangedOfIt) {
  recipe standard{.format = format_of<halfstep::int8_axis>, .bases = {halfstep::convrot(256)}, .scales = "auto"};
  name_facts const facts{.chosen = recipe_choice::standard};
  EXPECT_EQ(default_output_name("models/flux.safetensors", of({standard}), standard, facts),
            "models/flux_comfyui_int8.safetensors");
  standard.scales = "absmax";
  EXPECT_EQ(name_of_run(standard, facts), "m_comfyui_int8_simple.safetensors");
  EXPECT_EQ(name_of_run({.format = format_of<halfstep::int8_tensor>, .scales = "auto"}, facts),
            "m_comfyui_int8_tensor.safetensors");
  EXPECT_EQ(name_of_run({.format = format_of<halfstep::fp8_tensor>}, facts), "m_comfyui_fp8_tensor.safetensors");
  EXPECT_EQ(name_of_run({.format = format_of<halfstep::fp16>}, facts), "m_comfyui_fp16.safetensors");
}

TEST(OutputName, IsTheReferencesWhereThatWritesSuchAFile) {
  recipe const simple{.format = format_of<halfstep::int8_block<64>>};
  recipe const learned{.format = format_of<halfstep::int8_block<128>>, .scales = "auto", .solver = "original"};
  EXPECT_EQ(name_of_run(simple), "m_simple_int8_bs64.safetensors");
  EXPECT_EQ(name_of_run(simple, {.markers = marker_style::fork}), "m_simple_int8_bs64.safetensors");
  EXPECT_EQ(name_of_run(learned), "m_learned_int8_bs128.safetensors");
  EXPECT_EQ(name_of_run({.format = format_of<halfstep::fp8_block<128>>}), "m_simple_fp8_bs128.safetensors");
  EXPECT_EQ(name_of_run(simple, {.markers = marker_style::none}), "m_int8_block64_simple_unmarked.safetensors");
  EXPECT_EQ(name_of_run(simple, {.known = known_of_inputs::statistics}), "m_int8_block64_simple_calibrated.safetensors");
  EXPECT_EQ(name_of_run(simple, {}, of({simple, {.format = format_of<halfstep::fp16>}})),
            "m_int8_block64_simple+fp16.safetensors");
}

TEST(OutputName, TellsSchemeScalingBasisAndSolver) {
  std::vector<std::string> const solvers{"gptq", "quip", "auto"};
  recipe r{.format = format_of<halfstep::int8_axis>, .bases = {halfstep::convrot(64)}, .scales = "auto", .solver = "gptq"};
  EXPECT_EQ(name_of_run(r, {.known = known_of_inputs::statistics, .moment_solvers = solvers}),
            "m_int8_axis_convrot64_gptq.safetensors");
  EXPECT_EQ(name_of_run(r, {.known = known_of_inputs::directions, .moment_solvers = solvers}),
            "m_int8_axis_convrot64_gptq_lora_directions.safetensors");
  EXPECT_EQ(name_of_run(r, {.moment_solvers = solvers}), "m_int8_axis_convrot64_gptq_nearest.safetensors");
  r.solver = "none";
  r.matmul = halfstep::matmul_precision::full;
  EXPECT_EQ(name_of_run(r, {.markers = marker_style::fork}), "m_int8_axis_convrot64_full_precision_fork.safetensors");
  EXPECT_EQ(name_of_run({.format = format_of<halfstep::fp16>, .rounding = "stochastic"}), "m_fp16_stochastic.safetensors");
}

TEST(OutputName, TellsWhichStorageOfQuip) {
  std::vector<std::string> const solvers{"gptq", "quip"};
  recipe r{.format = format_of<halfstep::int8_axis>, .scales = "auto", .solver = "quip"};
  name_facts const facts{.known = known_of_inputs::statistics, .moment_solvers = solvers};
  EXPECT_EQ(name_of_run(r, facts), "m_int8_axis_quip.safetensors");
  r.bases = {halfstep::incoherent()};
  EXPECT_EQ(name_of_run(r, facts), "m_int8_axis_quip_transformed.safetensors");
  EXPECT_EQ(name_of_run(r, {.moment_solvers = solvers}), "m_int8_axis_quip_transformed_nearest.safetensors");
  r.solver = "gptq";
  EXPECT_EQ(name_of_run(r, facts), "m_int8_axis_quip_gptq.safetensors");
}

TEST(OutputName, TellsAdaptersAndWhatMultipliesThem) {
  recipe const standard{.format = format_of<halfstep::int8_axis>, .bases = {halfstep::convrot(256)}, .scales = "auto"};
  auto const with = [&](std::vector<halfstep::lora_request> merged) {
    return name_of_run(standard, {.chosen = recipe_choice::standard, .merged = std::move(merged)});
  };
  EXPECT_EQ(with({{"loras/style.safetensors", 1.0}}), "m_comfyui_int8_lora_style.safetensors");
  EXPECT_EQ(with({{"style.safetensors", 0.8}}), "m_comfyui_int8_lora_style@0.8.safetensors");
  EXPECT_EQ(with({{"a.safetensors", 1.0}, {"b.safetensors", 0.5 * 0.9}}), "m_comfyui_int8_lora_a+b@0.45.safetensors");
  EXPECT_EQ(with({{"b.safetensors", 0.5}, {"a.safetensors", 0.9}}), "m_comfyui_int8_lora_b@0.5+a@0.9.safetensors");
  EXPECT_EQ(with({{"a", 1.0}, {"b", 1.0}, {"c", 1.0}, {"d", 1.0}, {"e", 1.0}}), "m_comfyui_int8_lora_a+b+c+2more.safetensors");
  EXPECT_EQ(with({{"painting/adapter_model.safetensors", 1.0}}), "m_comfyui_int8_lora_painting.safetensors");
  EXPECT_EQ(with({{"../pytorch_lora_weights.safetensors", 1.0}}), "m_comfyui_int8_lora_pytorch_lora_weights.safetensors");
  std::string const long_name(63, 'x');
  EXPECT_EQ(with({{long_name + "\u00e9.safetensors", 1.0}}), "m_comfyui_int8_lora_" + long_name + ".safetensors");
  recipe const simple{.format = format_of<halfstep::int8_block<64>>};
  EXPECT_EQ(name_of_run(simple, {.markers = marker_style::fork, .merged = {{"a", 1.0}}, .alphas = halfstep::alpha_source::rank}),
            "m_int8_block64_simple_lora_a_alpha_rank.safetensors")
      << "the reference's names are for what it writes";
  EXPECT_EQ(name_of_run(simple, {.markers = marker_style::none, .merged = {{"a", 1.0}}}),
            "m_int8_block64_simple_lora_a_unmarked.safetensors");
}

TEST(OutputName, NamesTheFormatsOfOtherLayersOnce) {
  recipe const block{.format = format_of<halfstep::int8_block<128>>, .scales = "auto"};
  recipe const axis{.format = format_of<halfstep::int8_axis>};
  recipe const rotated{.format = format_of<halfstep::int8_axis>, .bases = {halfstep::convrot(64)}};
  EXPECT_EQ(name_of_run(block, {}, of({block, axis, rotated, axis})), "m_int8_block128+int8_axis.safetensors");
  EXPECT_EQ(name_of_run(axis, {}, of({axis, rotated})), "m_int8_axis_simple.safetensors");
  EXPECT_EQ(name_of_run(block, {},
                        of({{.format = format_of<halfstep::int8_block<64>>},
                            {.format = format_of<halfstep::fp16>},
                            axis,
                            {.format = format_of<halfstep::fp8_tensor>},
                            {.format = format_of<halfstep::int8_tensor>}})),
            "m_int8_block128+int8_block64+fp16+int8_axis+more.safetensors");
}

TEST(OutputName, LeavesTheEndingsOfModelsOff) {
  auto const name = [](std::string_view input) {
    return default_output_name(input, {},
                               {.format = format_of<halfstep::int8_axis>, .bases = {halfstep::convrot(256)}, .scales = "auto"},
                               {.chosen = recipe_choice::standard});
  };
  EXPECT_EQ(name("d/model.safetensors.index.json"), "d/model_comfyui_int8.safetensors");
  EXPECT_EQ(name("d/model.safetensors.index.fp16.json"), "d/model_comfyui_int8.safetensors");
  EXPECT_EQ(name("d/flux/"), "d/flux_comfyui_int8.safetensors");
  EXPECT_EQ(name("d/flux.bin"), "d/flux.bin_comfyui_int8.safetensors");
  EXPECT_EQ(name(".safetensors"), ".safetensors_comfyui_int8.safetensors");
}

}  // namespace
