#include <halfstep/plan/pattern_specificity.hpp>

#include <string>

#include <gtest/gtest.h>

namespace {

using halfstep::pattern_specificity;
using halfstep::specificity_of;
using kind = pattern_specificity::kind;

struct expectation {
  std::string pattern;
  std::size_t literals;
  kind what = kind::general;
};

TEST(Specificity, CountsCharactersOutsideMetacharactersClassesAndQuantifiers) {
  for (auto const& [pattern, literals, what] : std::initializer_list<expectation>{
           {"", 0},
           {"attn", 4},
           {"^attn$", 4},
           {"attn\\.q", 6},
           {"blocks\\.\\d+\\.attn", 12},
           {"blocks\\.[0-9]+\\.attn", 12},
           {"blocks\\.\\d{1,20}\\.attn", 12},
           {"blocks\\.(?:0|12)\\.attn", 15, kind::numbered},
           {"blocks\\.0\\.", 9, kind::numbered},
           {"blocks.0", 7},
           {"block.12", 7},
           {"blocks\\.12", 9, kind::numbered},
           {"(?i)attn", 4},
           {"(?i:attn)", 4},
           {"(?=attn)x", 5},
           {"(?!attn)x", 5},
           {"(?<=attn)x", 5},
           {"(?<!attn)x", 5},
           {"(?>attn)x", 5},
           {"(?<name>attn)\\1", 4},
           {"(?P<name>attn)", 4},
           {"(?#a remark)attn", 4},
           {"[]a]x", 1},
           {"[^]a]x", 1},
           {"[[:alpha:]]x", 1},
           {"[a\\]b]x", 1},
           {"\\Qa.b*1\\Ec", 6},
           {"\\Qblocks.1.attn", 13, kind::numbered},
           {"a{", 1},
           {"[a", 0},
           {"(", 0},
           {"a\\", 2},
       }) {
    EXPECT_EQ(specificity_of(pattern).literals, literals) << pattern;
    EXPECT_EQ(specificity_of(pattern).what, what) << pattern;
  }
}

TEST(Specificity, PutsNumberedNamesFirstAndLongerOnesBeforeShorter) {
  EXPECT_GT(specificity_of("blocks\\.0\\."), specificity_of("a_very_long_name_without_any_number"));
  EXPECT_GT(specificity_of("a_very_long_name_without_any_number"), specificity_of("b\\.0\\."));
  EXPECT_GT(specificity_of("attn_q"), specificity_of("attn"));
  EXPECT_EQ(specificity_of("attn"), specificity_of("mlp\\..*"));
}

}  // namespace
