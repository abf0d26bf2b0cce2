#include <halfstep/recipe/marker_edit.hpp>

#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <boost/json/parse.hpp>

#include <halfstep/core/error.hpp>
#include <halfstep/recipe/marker.hpp>

namespace {

using halfstep::marker_edit;
using halfstep::marker_json;
using halfstep::parse_pairs;

std::string edited(std::string_view marker, marker_edit const& edit) {
  return marker_json(halfstep::edited(boost::json::parse(marker).get_object(), edit));
}

TEST(MarkerEdit, ReadsPairsAsPythonAndAsJsonWritesThem) {
  EXPECT_EQ(marker_json(parse_pairs("'per_row': True, \"group_size\": 64")), R"({"per_row": true, "group_size": 64})");
  EXPECT_EQ(marker_json(parse_pairs("{'a': None, 'b': False}")), R"({"a": null, "b": false})");
  EXPECT_EQ(marker_json(parse_pairs(R"('say': 'it\'s "so"', 'True': 'None')")), R"({"say": "it's \"so\"", "True": "None"})");
  EXPECT_EQ(marker_json(parse_pairs("'list': [1, 'x', {'y': -2}]")), R"({"list": [1, "x", {"y": -2}]})");
  EXPECT_EQ(marker_json(parse_pairs("'rate': 0.5, 'path': 'a\\\\b'")), R"({"rate": 5E-1, "path": "a\\b"})");
}

TEST(MarkerEdit, RefusesWhatIsNoListOfPairs) {
  for (auto const* text : {"", "  ", "per_row", "'a'", "'a': ", "'a': 1,", "'a' 1", "[1]", "'a': 'b", "'a': nothing", "{}"})
    EXPECT_THAT([=] { parse_pairs(text); },
                testing::ThrowsMessage<halfstep::usage_error>(testing::StartsWith("--add-keys got '")))
        << text;
}

TEST(MarkerEdit, KeepsTheOrderOfKeysAndPutsNewOnesLast) {
  std::string const marker = R"({"format": "int8_tensorwise", "per_row": true, "convrot": true})";
  EXPECT_EQ(edited(marker, {}), marker);
  EXPECT_EQ(edited(marker, {.remove = {"per_row"}}), R"({"format": "int8_tensorwise", "convrot": true})");
  EXPECT_EQ(edited(marker, {.set = parse_pairs("'new': 1, 'per_row': false")}),
            R"({"format": "int8_tensorwise", "per_row": false, "convrot": true, "new": 1})");
  EXPECT_EQ(edited(marker, {.remove = {"format", "per_row", "convrot"}}), "{}");
  EXPECT_EQ(edited(marker, {.remove = {"convrot"}, .set = parse_pairs("'convrot': false")}),
            R"({"format": "int8_tensorwise", "per_row": true, "convrot": false})");
}

TEST(MarkerEdit, WritesMarkersAsTheConverterDoes) {
  using namespace halfstep;
  for (auto const& how : {recipe{.format = scheme::int8_axis, .rotation_group = 64}, recipe{.format = scheme::int8_tensor},
                          recipe{.format = scheme::int8_block, .block_size = 32, .matmul = matmul_precision::full}})
    for (auto const style : {marker_style::comfyui, marker_style::fork}) {
      auto const text = marker_text(how, style);
      EXPECT_EQ(edited(text, {}), text);
    }
}

}  // namespace
