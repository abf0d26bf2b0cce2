#include <settings_list.hpp>

#include <map>

#include <gtest/gtest.h>

namespace {

using convert_to_quant::options;

std::map<std::string, std::string> listed(options const& o) {
  halfstep::plan p;
  p.rules = "rules of flux1";
  auto const list = convert_to_quant::settings_list(o, p, 12, 3);
  return {list.begin(), list.end()};
}

TEST(SettingsList, GivesTheCommandLineAsAShellTakesIt) {
  options o;
  o.arguments = {"-i", "my model.safetensors", "--exclude-layers", "a|b's", "--scaling_mode=row", ""};
  EXPECT_EQ(listed(o)["command line"],
            "convert_to_quant -i 'my model.safetensors' --exclude-layers 'a|b'\\''s' --scaling_mode=row ''");
}

TEST(SettingsList, NamesTheSeedOnlyWhereItMatters) {
  options o;
  EXPECT_FALSE(listed(o).contains("seed"));
  o.rounding = "stochastic";
  EXPECT_EQ(listed(o)["seed"], "12");
}

TEST(SettingsList, GivesLimitsWithoutZerosAtTheirEnd) {
  options o;
  EXPECT_EQ(listed(o)["quality threshold"], "30 dB");
  EXPECT_FALSE(listed(o).contains("refused below"));
  o.fail_below = 32.5;
  EXPECT_EQ(listed(o)["refused below"], "32.5 dB");
  EXPECT_EQ(listed(o)["threads"], "3");
  EXPECT_EQ(listed(o)["layers chosen by"], "rules of flux1");
}

}  // namespace
