#include <halfstep/plan/layer_pattern.hpp>

#include <chrono>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace {

using halfstep::layer_pattern;
using testing::HasSubstr;
using testing::ThrowsMessage;

TEST(Pattern, IsSearchedInTheNameWithAndWithoutItsEnding) {
  EXPECT_TRUE(layer_pattern("--exclude-layers", "q_proj$").matches("layers.0.q_proj.weight"));
  EXPECT_TRUE(layer_pattern("--exclude-layers", "q_proj\\.weight$").matches("layers.0.q_proj.weight"));
  EXPECT_TRUE(layer_pattern("--exclude-layers", "^layers\\.(?:0|1)\\.").matches("layers.1.q_proj.weight"));
  EXPECT_FALSE(layer_pattern("--exclude-layers", "^q_proj").matches("layers.0.q_proj.weight"));
  EXPECT_FALSE(layer_pattern("--exclude-layers", "bias$").matches("layers.0.q_proj.weight"));
}

TEST(Pattern, UnderstandsPerl) {
  EXPECT_TRUE(layer_pattern("--include-layers", "\\d+\\.(?!k_)\\w+_proj").matches("layers.10.q_proj.weight"));
  EXPECT_FALSE(layer_pattern("--include-layers", "\\d+\\.(?!k_)\\w+_proj").matches("layers.10.k_proj.weight"));
}

TEST(Pattern, NamesTheFlagAndTheExpressionThatIsNone) {
  EXPECT_THAT([] { layer_pattern("--exclude-layers", "a(b"); },
              ThrowsMessage<halfstep::usage_error>(HasSubstr("--exclude-layers 'a(b' is no regular expression: ")));
}

TEST(Pattern, RefusesToRunForEver) {
  layer_pattern const hostile("--exclude-layers", "^(([a-z.])+.)+[A-Z]([a-z.])+$");
  std::string const name(300, 'a');
  auto const start = std::chrono::steady_clock::now();
  EXPECT_THAT([&] { hostile.matches(name); },
              ThrowsMessage<halfstep::usage_error>(
                  HasSubstr("--exclude-layers '^(([a-z.])+.)+[A-Z]([a-z.])+$' takes too long on the name")));
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(30));
}

}  // namespace
