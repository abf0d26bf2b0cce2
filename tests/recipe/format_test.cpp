#include <halfstep/recipe/format.hpp>

#include <string_view>

#include <gtest/gtest.h>

#include <halfstep/layout/fp16.hpp>
#include <halfstep/layout/fp8_axis.hpp>
#include <halfstep/layout/int8_axis.hpp>
#include <halfstep/layout/int8_block.hpp>
#include <halfstep/layout/int8_tensor.hpp>
#include <halfstep/layout/symmetric_grid.hpp>
#include <halfstep/recipe/comfy_quant.hpp>
#include <halfstep/recipe/marker.hpp>

namespace {

using namespace halfstep;

/// Somebody's layout, written out by hand: groups of 32 neighbours in a row.
struct by_32 : symmetric_grid<127> {
  static constexpr std::string_view name = "by_32";
  using group_type = float;
  static constexpr bool fits(extents2 e) { return e.columns % 32 == 0; }
  static constexpr extents2 groups(extents2 e) { return {e.rows, e.columns / 32}; }
  static constexpr index_t run(extents2) { return 32; }
  static constexpr index_t group_of(extents2 e, index_t row, index_t column) { return row * (e.columns / 32) + column / 32; }
  static group_type fit(value_range v) { return v.amax; }
};

/// Another: 3 x 3 squares, which say nothing of their geometry.
struct squares : by_32 {
  static constexpr std::string_view name = "squares";
  static constexpr bool fits(extents2 e) { return e.rows % 3 == 0 && e.columns % 3 == 0; }
  static constexpr extents2 groups(extents2 e) { return {e.rows / 3, e.columns / 3}; }
  static constexpr index_t run(extents2) { return 3; }
  static constexpr index_t group_of(extents2 e, index_t row, index_t column) { return row / 3 * (e.columns / 3) + column / 3; }
};

TEST(Format, IsDescribedByTheTypeOfItsLayout) {
  constexpr format blocks = format_of<int8_block<64>>;
  EXPECT_EQ(to_string(blocks), "int8_blockwise 64");
  EXPECT_EQ(blocks.grid, "int8");
  EXPECT_EQ(blocks.geometry, "block");
  EXPECT_EQ(blocks.codes, dtype::i8);
  EXPECT_EQ(blocks.last, 127.0f);
  EXPECT_EQ(blocks.groups({128, 256}), (extents2{2, 4}));
  EXPECT_FALSE(blocks.fits({128, 100}));
  EXPECT_FALSE(format_of<fp16>.has_scales());
  EXPECT_EQ(format_of<fp16>.codes, dtype::f16);
  EXPECT_TRUE(format_of<fp16>.grid.empty());
}

TEST(Format, TellsTheGeometryOfALayoutThatNamesNone) {
  EXPECT_EQ(format_of<by_32>.geometry, "group");
  EXPECT_EQ(format_of<by_32>.side, 0);
  EXPECT_EQ(format_of<squares>.geometry, "block");
  EXPECT_EQ(format_of<squares>.side, 3);
}

TEST(Format, IsTheSameWhereNameAndSideAre) {
  EXPECT_EQ(format_of<int8_axis>, format_of<int8_axis>);
  EXPECT_NE(format_of<int8_axis>, format_of<int8_tensor>);
  EXPECT_NE(format_of<int8_block<64>>, format_of<int8_block<128>>);
}

TEST(Format, OfALayoutThatNobodyKnowsIsMarkedByItsOwnName) {
  recipe const how{.format = format_of<by_32>};
  EXPECT_EQ(marker_text(how, marker_style::comfyui), R"({"format": "by_32"})");
  EXPECT_EQ(loader_of(how, marker_style::comfyui), loader::own);
  EXPECT_EQ(obstacle(how, {3, 33}), "[3, 33] is no shape of by_32");
}

TEST(Format, OfRowsInFp8FollowsFromItsType) {
  recipe const how{.format = format_of<fp8_axis>};
  EXPECT_EQ(marker_text(how, marker_style::fork), R"({"format": "float8_e4m3fn_rowwise"})");
  EXPECT_EQ(format_of<fp8_axis>.files.words, "fp8");
  EXPECT_EQ(format_of<fp8_axis>.grid, "e4m3");
  EXPECT_EQ(format_of<fp8_axis>.geometry, "row");
}

}  // namespace
