#include <halfstep/plan/layer_pattern.hpp>

#include <chrono>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace {

using halfstep::layer_pattern;
using testing::HasSubstr;
using testing::ThrowsMessage;

TEST(Pattern, IsSearchedInTheNameWithAndWithoutItsEnding) {
  EXPECT_TRUE(layer_pattern("`exclude`", "q_proj$").matches("layers.0.q_proj.weight"));
  EXPECT_TRUE(layer_pattern("`exclude`", "q_proj\\.weight$").matches("layers.0.q_proj.weight"));
  EXPECT_TRUE(layer_pattern("`exclude`", "^layers\\.(?:0|1)\\.").matches("layers.1.q_proj.weight"));
  EXPECT_FALSE(layer_pattern("`exclude`", "^q_proj").matches("layers.0.q_proj.weight"));
  EXPECT_FALSE(layer_pattern("`exclude`", "bias$").matches("layers.0.q_proj.weight"));
}

TEST(Pattern, UnderstandsPerl) {
  EXPECT_TRUE(layer_pattern("`include`", "\\d+\\.(?!k_)\\w+_proj").matches("layers.10.q_proj.weight"));
  EXPECT_FALSE(layer_pattern("`include`", "\\d+\\.(?!k_)\\w+_proj").matches("layers.10.k_proj.weight"));
}

TEST(Pattern, NamesTheFlagAndTheExpressionThatIsNone) {
  EXPECT_THAT([] { layer_pattern("`exclude`", "a(b"); },
              ThrowsMessage<halfstep::usage_error>(HasSubstr("`exclude` 'a(b' is no regular expression: ")));
}

TEST(Pattern, RefusesToRunForEver) {
  layer_pattern const hostile("`exclude`", "^(([a-z.])+.)+[A-Z]([a-z.])+$");
  std::string const name(300, 'a');
  auto const start = std::chrono::steady_clock::now();
  EXPECT_THAT(
      [&] { hostile.matches(name); },
      ThrowsMessage<halfstep::usage_error>(HasSubstr("`exclude` '^(([a-z.])+.)+[A-Z]([a-z.])+$' takes too long on the name")));
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(30));
}

TEST(Pattern, IsLookedForWhereItsScopeSays) {
  using halfstep::pattern_scope;
  layer_pattern const part("`layers`", "q_proj", pattern_scope::part_of_layer);
  EXPECT_TRUE(part.matches("layers.0.q_proj.weight"));
  EXPECT_TRUE(part.matches("layers.0.q_proj.bias"));
  EXPECT_FALSE(layer_pattern("`layers`", "weight", pattern_scope::part_of_layer).matches("layers.0.q_proj.weight"));
  EXPECT_FALSE(layer_pattern("`layers`", "q_proj", pattern_scope::whole_layer).matches("layers.0.q_proj.weight"));
  EXPECT_TRUE(layer_pattern("`layers`", ".*q_proj", pattern_scope::whole_layer).matches("layers.0.q_proj.weight"));
}

TEST(Pattern, RefusesWhatIsTooLongToBeAnExpression) {
  EXPECT_THAT([] { layer_pattern("`layers`", std::string(1001, 'a')); },
              ThrowsMessage<halfstep::usage_error>(HasSubstr("has 1001 bytes")));
  EXPECT_NO_THROW(layer_pattern("`layers`", std::string(1000, 'a')));
}

/// Expressions that take exponentially long without a limit, on all names of a large model: matched or refused, soon.
TEST(Pattern, NeverHangsOnAWholeModel) {
  std::vector<std::string> names;
  for (int i = 0; i < 500; ++i)
    names.push_back("model.diffusion_model.double_blocks." + std::to_string(i) +
                    ".img_attn.aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa.weight");
  names.push_back(std::string(4000, 'a') + "!");
  for (std::string const text :
       {"(a+)+$", "^(a+)+$", "(a|aa)+$", "(a|a?)+$", "(.*)*z", "(.*a){12}$", "^(([a-z.])+.)+[A-Z]([a-z.])+$", "(x+x+)+y",
        "(\\w+\\.?)+!$", "((((a*)*)*)*)*b", "(?=(a+))\\1+!", "(a+)+(a+)+(a+)+$", "([^.]+\\.)*z$"})
    for (auto const scope : {halfstep::pattern_scope::part_of_name, halfstep::pattern_scope::whole_layer}) {
      layer_pattern const hostile("`layers`", text, scope);
      auto const start = std::chrono::steady_clock::now();
      try {
        for (auto const& name : names) hostile.matches(name);
      } catch (halfstep::usage_error const& e) {
        EXPECT_THAT(e.what(), HasSubstr("takes too long on the name"));
      }
      auto const seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
      EXPECT_LT(seconds, 20.0) << text;
      RecordProperty("slowest", std::to_string(seconds));
    }
}

}  // namespace
