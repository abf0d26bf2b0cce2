#include <halfstep/recipe/bases.hpp>
#include <halfstep/recipe/marker_json.hpp>

#include <string>

#include <gtest/gtest.h>

#include <boost/json/parse.hpp>

#include <halfstep/layout/int8_axis.hpp>
#include <halfstep/layout/int8_block.hpp>
#include <halfstep/layout/int8_tensor.hpp>
#include <halfstep/recipe/marker.hpp>

namespace {

using halfstep::marker_edit;
using halfstep::marker_json;

std::string edited(std::string_view marker, marker_edit const& edit) {
  return marker_json(halfstep::edited(boost::json::parse(marker).get_object(), edit));
}

TEST(MarkerJson, KeepsTheOrderOfKeysAndPutsNewOnesLast) {
  std::string const marker = R"({"format": "int8_tensorwise", "per_row": true, "convrot": true})";
  EXPECT_EQ(edited(marker, {}), marker);
  EXPECT_EQ(edited(marker, {.remove = {"per_row"}}), R"({"format": "int8_tensorwise", "convrot": true})");
  EXPECT_EQ(edited(marker, {.set = {{"new", "1"}, {"per_row", "false"}}}),
            R"({"format": "int8_tensorwise", "per_row": false, "convrot": true, "new": 1})");
  EXPECT_EQ(edited(marker, {.remove = {"format", "per_row", "convrot"}}), "{}");
  EXPECT_EQ(edited(marker, {.remove = {"convrot"}, .set = {{"convrot", "false"}}}),
            R"({"format": "int8_tensorwise", "per_row": true, "convrot": false})");
}

TEST(MarkerJson, WritesMarkersAsTheConverterDoes) {
  using namespace halfstep;
  for (auto const& how :
       {recipe{.format = format_of<int8_axis>, .bases = {halfstep::convrot(64)}}, recipe{.format = format_of<int8_tensor>},
        recipe{.format = format_of<int8_block<32>>, .matmul = matmul_precision::full}})
    for (auto const style : {marker_style::comfyui, marker_style::fork}) {
      auto const text = marker_text(how, style);
      EXPECT_EQ(edited(text, {}), text);
    }
}

}  // namespace
