#include <halfstep/core/edit_distance.hpp>

#include <gtest/gtest.h>

namespace {

using halfstep::edit_distance;

TEST(EditDistance, CountsLettersThatAreChangedAddedOrLeftOut) {
  EXPECT_EQ(edit_distance("", ""), 0u);
  EXPECT_EQ(edit_distance("blocks", "blocks"), 0u);
  EXPECT_EQ(edit_distance("", "abc"), 3u);
  EXPECT_EQ(edit_distance("abc", ""), 3u);
  EXPECT_EQ(edit_distance("kitten", "sitting"), 3u);
  EXPECT_EQ(edit_distance("to_q", "toq"), 1u);
}

}  // namespace
