#include <halfstep/core/nearest_names.hpp>

#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace {

using halfstep::nearest_names;
using testing::ElementsAre;
using testing::IsEmpty;
using names = std::vector<std::string>;

TEST(NearestNames, FindOneForEachAndNoneTwice) {
  names const known{"blocks.0.attn.k", "blocks.0.attn.q", "blocks.10.mlp"};
  EXPECT_THAT(nearest_names(names{"net.blocks.0.attn.q", "blocks.0.attn.q_proj"}, known),
              ElementsAre("blocks.0.attn.q", "blocks.0.attn.k"));
  EXPECT_THAT(nearest_names(names{"a", "b"}, names{"only"}), ElementsAre("only"));
  EXPECT_THAT(nearest_names(names{}, known), IsEmpty());
}

TEST(NearestNames, StandInASentenceWithTheNamesThatFitNothing) {
  EXPECT_EQ(halfstep::unmatched_in_words(names{"x.q", "x.k", "x.v"}, names{"q", "k"}),
            "it has 'x.q' and 'x.k', and nearest in the model are 'q' and 'k'");
  EXPECT_EQ(halfstep::unmatched_in_words(names{"x.q"}, names{"q", "k"}), "it has 'x.q', and nearest in the model is 'q'");
  EXPECT_EQ(halfstep::unmatched_in_words(names{"x.q"}, names{}), "it has 'x.q', and nearest in the model is none");
}

}  // namespace
