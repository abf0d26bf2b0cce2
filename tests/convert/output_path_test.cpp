#include <halfstep/convert/output_path.hpp>

#include <string>

#include <gtest/gtest.h>

#include <halfstep/layout/int8_axis.hpp>
#include <halfstep/recipe/bases.hpp>

namespace {

using halfstep::conversion_options;

std::string path_for(std::string const& input, std::string const& opened, halfstep::plan const& p = {}) {
  conversion_options options{.input = input, .chosen = halfstep::recipe_choice::standard};
  options.layers.target = {
      .format = halfstep::format_of<halfstep::int8_axis>, .bases = {halfstep::convrot(256)}, .scales = "auto"};
  return halfstep::output_path(options, opened, p);
}

TEST(OutputPath, IsWhatWasAsked) {
  EXPECT_EQ(halfstep::output_path({.input = "m.safetensors", .output = "x/y"}, "m.safetensors", {}), "x/y");
}

TEST(OutputPath, LiesBesideTheFileThatIsRead) {
  EXPECT_EQ(path_for("a/m.safetensors", "a/m.safetensors"), "a/m_comfyui_int8.safetensors");
  EXPECT_EQ(path_for("a/m-00001-of-00002.safetensors", "a/m.safetensors.index.json"), "a/m_comfyui_int8.safetensors");
}

TEST(OutputPath, LiesBesideAFolderThatNamesTheModel) {
  for (std::string const folder : {"a/model", "a/model/", "a/model//"})
    EXPECT_EQ(path_for(folder, folder + (folder.ends_with('/') ? "" : "/") + "m.safetensors"), "a/model_comfyui_int8.safetensors")
        << folder;
  for (std::string const folder : {".", "..", "./", "a/.."})
    EXPECT_EQ(path_for(folder, folder + (folder.ends_with('/') ? "" : "/") + "m.safetensors"),
              folder + (folder.ends_with('/') ? "" : "/") + "m_comfyui_int8.safetensors")
        << "it names nothing";
}

TEST(OutputPath, TellsTheAdaptersAsTheyAreMerged) {
  auto const path_with = [](halfstep::lora_options const& merging) {
    conversion_options options{
        .input = "m.safetensors", .loras = {{"a.safetensors", 1.0}, {"b.safetensors", 0.5}}, .merging = merging};
    options.layers.target = {.format = halfstep::format_of<halfstep::int8_axis>};
    return halfstep::output_path(options, "m.safetensors", {});
  };
  EXPECT_EQ(path_with({}), "m_int8_axis_simple_lora_a+b@0.45.safetensors");
  EXPECT_EQ(path_with({.dampening = halfstep::lora_dampening::none}), "m_int8_axis_simple_lora_a+b@0.5.safetensors");
  EXPECT_EQ(path_with({.scale = 2.0}), "m_int8_axis_simple_lora_a@2+b@0.9.safetensors");
}

TEST(OutputPath, IsTheIndexOfShards) {
  halfstep::plan in_shards;
  in_shards.shards.resize(2);
  EXPECT_EQ(path_for("m.safetensors", "m.safetensors", in_shards), "m_comfyui_int8.safetensors.index.json");
}

}  // namespace
