#include <halfstep/plan/name_pattern.hpp>

#include <string>
#include <vector>

#include <gtest/gtest.h>

#include <halfstep/plan/layer_pattern.hpp>

namespace {

using halfstep::block_expression;
using halfstep::name_expression;
using halfstep::name_pattern;

TEST(NamePattern, ReplacesTheNumbersOfBlocks) {
  EXPECT_EQ(name_pattern("double_blocks.17.img_mlp.0.weight"), "double_blocks.*.img_mlp.*.weight");
  EXPECT_EQ(name_pattern("lora_unet_double_blocks_17_img_attn.weight"), "lora_unet_double_blocks_*_img_attn.weight");
  EXPECT_EQ(name_pattern("encoder.layer.0.DenseReluDense.wi_0.weight"), "encoder.layer.*.DenseReluDense.wi_0.weight");
  EXPECT_EQ(name_pattern("0.weight"), "*.weight");
  EXPECT_EQ(name_pattern("norm2.weight"), "norm2.weight");
  EXPECT_EQ(name_pattern(""), "");
}

TEST(NamePattern, SpellsExpressionsThatMatchTheSameNames) {
  EXPECT_EQ(block_expression("blocks.17.img_mlp.0"), "^blocks\\.\\d+\\.img_mlp\\.\\d+$");
  EXPECT_EQ(name_expression("blocks.17.a+b"), "^blocks\\.17\\.a\\+b$");
  std::vector<std::string> const odd{"a.0.b",  "a.1.b", "a.*.b",  "a.0.b.c", "b.a.0.b", "a_0_b", "a_7_b",   "a.0_b",  "a.0b",
                                     "a(1).2", "a[x]",  "a\\.0b", "a|b.3",   "^a$",     "{2}.4", "a?.5.b*", "a'b<c>", "ä.3.ß",
                                     "0",      "12",    "",       ".",       "_",       "a..b",  "x y#z"};
  for (auto const& one : odd)
    for (auto const& other : odd) {
      auto const matches = [&](std::string const& expression) {
        return halfstep::layer_pattern("", expression, halfstep::pattern_scope::part_of_layer).matches(other);
      };
      bool const is_star = one == "a.*.b" || other == "a.*.b";
      EXPECT_EQ(matches(name_expression(one)), one == other) << one << " and " << other;
      EXPECT_EQ(matches(block_expression(one)), one == other || (!is_star && name_pattern(one) == name_pattern(other)))
          << one << " and " << other;
    }
}

}  // namespace
