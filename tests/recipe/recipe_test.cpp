#include <halfstep/recipe/bases.hpp>
#include <halfstep/recipe/recipe.hpp>

#include <gtest/gtest.h>

#include <halfstep/layout/fp16.hpp>
#include <halfstep/layout/fp8_block.hpp>
#include <halfstep/layout/fp8_tensor.hpp>
#include <halfstep/layout/int8_axis.hpp>
#include <halfstep/layout/int8_block.hpp>
#include <halfstep/layout/int8_tensor.hpp>

namespace {

using halfstep::format_of;
using halfstep::recipe;

TEST(Recipe, SaysInWordsWhatItDoes) {
  EXPECT_EQ(to_string(recipe{.format = format_of<halfstep::int8_block<128>>}), "int8_blockwise 128");
  EXPECT_EQ(to_string(recipe{.format = format_of<halfstep::int8_axis>, .bases = {halfstep::convrot(64)}}),
            "int8_axiswise + convrot 64");
  EXPECT_EQ(to_string(recipe{.format = format_of<halfstep::fp16>, .rounding = "stochastic"}), "fp16, stochastic");
  EXPECT_EQ(to_string(recipe{.format = format_of<halfstep::int8_tensor>, .matmul = halfstep::matmul_precision::full}),
            "int8_tensorwise, full precision matmul");
}

TEST(Recipe, ComparesTheBlockSizeOfBlocksOnly) {
  EXPECT_NE((recipe{.format = format_of<halfstep::int8_block<64>>}), (recipe{.format = format_of<halfstep::int8_block<128>>}));
  EXPECT_NE((recipe{.format = format_of<halfstep::fp8_block<64>>}), (recipe{.format = format_of<halfstep::fp8_block<128>>}));
  EXPECT_NE((recipe{.format = format_of<halfstep::int8_axis>, .bases = {halfstep::convrot(64)}}),
            (recipe{.format = format_of<halfstep::int8_axis>}));
}

TEST(Recipe, FallsBackThroughSmallerRotationGroups) {
  EXPECT_EQ(halfstep::rotation_group_for(3072, 256), 256);
  EXPECT_EQ(halfstep::rotation_group_for(384, 256), 64);
  EXPECT_EQ(halfstep::rotation_group_for(48, 256), 16);
  EXPECT_EQ(halfstep::rotation_group_for(40, 256), 0);
  EXPECT_EQ(halfstep::rotation_group_for(3072, 16), 16);
  EXPECT_EQ(halfstep::rotation_group_for(40, 4), 4);
  EXPECT_EQ(halfstep::rotation_group_for(3072, 0), 0);
}

TEST(Recipe, RotatesPowersOfFourOnly) {
  for (int const group : {4, 16, 64, 256, 1024}) EXPECT_TRUE(halfstep::is_rotation_group(group)) << group;
  for (int const group : {-4, 0, 1, 2, 8, 32, 128, 48, 512, 4096}) EXPECT_FALSE(halfstep::is_rotation_group(group)) << group;
}

TEST(Recipe, SaysWhyItCannotStoreAShape) {
  EXPECT_EQ(obstacle(recipe{.format = format_of<halfstep::int8_block<128>>}, {3072, 3072}), "");
  EXPECT_EQ(obstacle(recipe{.format = format_of<halfstep::fp8_block<128>>}, {3072, 64}),
            "[3072, 64] is not divisible by blocks of 128");
  EXPECT_EQ(obstacle(recipe{.format = format_of<halfstep::fp8_tensor>}, {3072, 65}), "");
  EXPECT_EQ(obstacle(recipe{.format = format_of<halfstep::int8_block<128>>}, {3072, 64}),
            "[3072, 64] is not divisible by blocks of 128");
  EXPECT_EQ(obstacle(recipe{.format = format_of<halfstep::int8_axis>}, {3, 5}), "");
  EXPECT_EQ(obstacle(recipe{.format = format_of<halfstep::int8_axis>, .bases = {halfstep::convrot(16)}}, {3, 24}),
            "[3, 24] is not divisible into rotation groups of 16 columns");
  EXPECT_EQ(obstacle(recipe{.format = format_of<halfstep::fp16>}, {0, 5}), "[0, 5] holds no elements");
}

}  // namespace
