#include <pairs.hpp>

#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <halfstep/core/error.hpp>

namespace {

using convert_to_quant::parse_pairs;

/// All pairs of `text`, as key: value, one behind the other.
std::string pairs(std::string_view text) {
  std::string all;
  for (auto const& [key, value] : parse_pairs(text)) all += (all.empty() ? "" : ", ") + key + ": " + value;
  return all;
}

TEST(Pairs, AreReadAsPythonAndAsJsonWritesThem) {
  EXPECT_EQ(pairs("'per_row': True, \"group_size\": 64"), "per_row: true, group_size: 64");
  EXPECT_EQ(pairs("{'a': None, 'b': False}"), "a: null, b: false");
  EXPECT_EQ(pairs(R"('say': 'it\'s "so"', 'True': 'None')"), R"(say: "it's \"so\"", True: "None")");
  EXPECT_EQ(pairs("'list': [1, 'x', {'y': -2}]"), R"(list: [1,"x",{"y":-2}])");
  EXPECT_EQ(pairs("'rate': 0.5, 'path': 'a\\\\b'"), R"(rate: 5E-1, path: "a\\b")");
}

TEST(Pairs, RefusesWhatIsNoListOfPairs) {
  for (auto const* text : {"", "  ", "per_row", "'a'", "'a': ", "'a': 1,", "'a' 1", "[1]", "'a': 'b", "'a': nothing", "{}"})
    EXPECT_THAT([=] { parse_pairs(text); },
                testing::ThrowsMessage<halfstep::usage_error>(testing::StartsWith("--add-keys got '")))
        << text;
}

}  // namespace
