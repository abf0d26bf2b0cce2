#include <halfstep/recipe/codec_table.hpp>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <halfstep/layout/int8_axis.hpp>
#include <halfstep/layout/int8_block.hpp>
#include <halfstep/layout/int8_tensor.hpp>

#include "../support/weights.hpp"

namespace {

using namespace halfstep;

codec_table table() {
  return codec_table({make_codec<int8_axis, nearest>(scheme::int8_axis, 0, rounding_kind::nearest, dtype::i8),
                      make_codec<int8_block<64>, nearest>(scheme::int8_block, 64, rounding_kind::nearest, dtype::i8)});
}

TEST(CodecTable, FindsARowByItsRuntimeName) {
  EXPECT_EQ(table().at({.format = scheme::int8_block, .block_size = 64}).block_size, 64);
  EXPECT_EQ(table().at({.format = scheme::int8_axis, .rotation_group = 256}).format, scheme::int8_axis);
}

TEST(CodecTable, ListsWhatItHasWhenALookupFails) {
  std::string const said = halfstep_test::message_of([] { table().at({.format = scheme::int8_block, .block_size = 32}); });
  EXPECT_THAT(said, testing::HasSubstr("int8_blockwise 32"));
  EXPECT_THAT(said, testing::HasSubstr("this build has int8_axiswise; int8_blockwise 64"));
  EXPECT_THROW(table().at({.format = scheme::int8_axis, .rounding = rounding_kind::stochastic}), unknown_option);
}

TEST(CodecTable, KnowsWhichRowsShareGroups) {
  EXPECT_EQ(table().rows()[0].group_rows({320, 64}), 1);
  EXPECT_EQ(table().rows()[1].group_rows({320, 64}), 64);
  EXPECT_FALSE(table().rows()[1].spans_rows({320, 64}));
  EXPECT_FALSE(table().rows()[1].spans_rows({64, 4096}));
  EXPECT_TRUE(
      (make_codec<int8_tensor, nearest>(scheme::int8_tensor, 0, rounding_kind::nearest, dtype::i8).spans_rows({320, 64})));
}

}  // namespace
