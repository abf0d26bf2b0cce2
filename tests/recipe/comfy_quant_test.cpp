#include <halfstep/layout/fp16.hpp>
#include <halfstep/layout/fp8_block.hpp>
#include <halfstep/layout/fp8_tensor.hpp>
#include <halfstep/layout/int8_axis.hpp>
#include <halfstep/layout/int8_block.hpp>
#include <halfstep/layout/int8_tensor.hpp>
#include <halfstep/recipe/comfy_quant.hpp>

#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

namespace {

using halfstep::format_of;
using halfstep::loader;
using halfstep::loader_of;
using halfstep::marker_style;
using halfstep::recipe;

TEST(ComfyQuant, KnowsWhoLoadsWhat) {
  recipe const block{.format = format_of<halfstep::int8_block<128>>}, axis{.format = format_of<halfstep::int8_axis>},
      tensor{.format = format_of<halfstep::int8_tensor>}, half{.format = format_of<halfstep::fp16>};
  EXPECT_EQ(loader_of(axis, marker_style::comfyui), loader::stock_comfyui);
  EXPECT_EQ(loader_of(tensor, marker_style::comfyui), loader::stock_comfyui);
  EXPECT_EQ(loader_of(tensor, marker_style::fork), loader::stock_comfyui);
  EXPECT_EQ(loader_of(block, marker_style::comfyui), loader::fork);
  EXPECT_EQ(loader_of(axis, marker_style::fork), loader::fork);
  EXPECT_EQ(loader_of(axis, marker_style::none), loader::engine);
  EXPECT_EQ(loader_of(half, marker_style::none), loader::any);
  EXPECT_EQ(loader_of({.format = format_of<halfstep::fp8_tensor>}, marker_style::comfyui), loader::stock_comfyui);
  EXPECT_EQ(loader_of({.format = format_of<halfstep::fp8_block<128>>}, marker_style::comfyui), loader::fp8_fork);
  EXPECT_EQ(loader_of({.format = format_of<halfstep::fp8_block<128>>}, marker_style::none), loader::engine);
}

TEST(ComfyQuant, KnowsSinceWhenStockComfyuiLoadsWhat) {
  using halfstep::comfyui_version;
  using halfstep::load_sentence;
  using halfstep::version_of;
  using halfstep::weight_use;
  recipe const axis{.format = format_of<halfstep::int8_axis>}, tensor{.format = format_of<halfstep::int8_tensor>},
      fp8{.format = format_of<halfstep::fp8_tensor>}, half{.format = format_of<halfstep::fp16>};
  auto const stock = marker_style::comfyui;
  EXPECT_EQ(version_of(axis, stock, weight_use::multiplied), (comfyui_version{0, 27}));
  EXPECT_EQ(version_of(axis, stock, weight_use::looked_up), (comfyui_version{0, 30}));
  EXPECT_EQ(version_of(tensor, marker_style::fork, weight_use::looked_up), (comfyui_version{0, 30}));
  EXPECT_EQ(version_of(fp8, stock, weight_use::multiplied), (comfyui_version{0, 4}));
  EXPECT_EQ(version_of(fp8, stock, weight_use::looked_up), (comfyui_version{0, 21}));
  EXPECT_FALSE(version_of(axis, marker_style::fork, weight_use::looked_up).is_known());
  EXPECT_FALSE(version_of(half, stock, weight_use::multiplied).is_known());
  EXPECT_EQ(load_sentence(loader::stock_comfyui, {0, 30}), "loads in stock ComfyUI, version 0.30 or newer");
  EXPECT_LT((comfyui_version{0, 4}), (comfyui_version{0, 27}));
  EXPECT_EQ(to_string(comfyui_version{0, 4}), "0.4");
}

TEST(ComfyQuant, GivesEveryLayerItsMarkersObjectInTheMetadata) {
  std::vector<std::pair<std::string, recipe>> const layers{{"a.0", {.format = format_of<halfstep::int8_tensor>}},
                                                           {"a.1", {.format = format_of<halfstep::fp16>}},
                                                           {"b\"c", recipe{.format = format_of<halfstep::int8_block<128>>}}};
  EXPECT_EQ(quant_metadata_text(layers, marker_style::comfyui),
            R"({"format_version": "1.0", "layers": {"a.0": {"format": "int8_tensorwise"}, )"
            R"("b\"c": {"format": "int8_blockwise", "group_size": 128}}})");
}

TEST(ComfyQuant, WritesEmptyMetadataForNoLayer) {
  EXPECT_EQ(halfstep::quant_metadata_text({}, marker_style::comfyui), R"({"format_version": "1.0", "layers": {}})");
}

}  // namespace
