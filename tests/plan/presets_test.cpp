#include <halfstep/plan/presets.hpp>

#include <iterator>
#include <map>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "models.hpp"

namespace {

using strings = std::vector<std::string>;

strings listed(boost::json::value const& array) { return boost::json::value_to<strings>(array); }

strings held(halfstep::name_parts parts) { return {parts.begin(), parts.end()}; }

TEST(Presets, EqualTheirSourceValueByValue) {
  auto const file = halfstep_test::data_file("presets.json");
  auto const& families = file.at("families").as_object();
  ASSERT_EQ(std::size(halfstep::model_families), families.size());
  std::size_t place = 0;
  for (auto const& [name, source] : families) {
    auto const& entry = source.as_object();
    halfstep::model_family const& family = halfstep::model_families[place++];
    SCOPED_TRACE(std::string(name));
    EXPECT_EQ(family.name, std::string_view(name));
    EXPECT_EQ(family.category, std::string_view(entry.at("category").as_string()));
    EXPECT_EQ(family.origin == halfstep::family_origin::extra, entry.contains("extra"));
    EXPECT_EQ(held(family.keep), listed(entry.at("keep")));
    EXPECT_EQ(held(family.remove), listed(entry.at("remove")));
    std::vector<strings> detect;
    for (auto const signs : family.detect) detect.push_back(held(signs));
    EXPECT_EQ(detect, entry.contains("detect") ? boost::json::value_to<std::vector<strings>>(entry.at("detect"))
                                               : std::vector<strings>{});
    std::map<std::string, int> last;
    for (auto const& [stem, count] : family.keep_last) last.emplace(stem, count);
    auto const* const told = entry.if_contains("keep_last");
    EXPECT_EQ(last,
              told != nullptr ? (boost::json::value_to<std::map<std::string, int>>(*told)) : (std::map<std::string, int>{}));
  }
}

TEST(Presets, AreTriedInTheOrderOfTheirSource) {
  EXPECT_EQ(held(halfstep::detection_order), listed(halfstep_test::data_file("presets.json").at("_order")));
}

TEST(Presets, AreFoundByName) {
  for (auto const& family : halfstep::model_families) EXPECT_EQ(halfstep::family_named(family.name), &family);
  EXPECT_EQ(halfstep::family_named("flux"), nullptr);
}

TEST(Presets, AreDetectableExactlyWhereTheyAreInTheOrder) {
  for (auto const& family : halfstep::model_families) {
    bool ordered = false;
    for (auto const name : halfstep::detection_order) ordered = ordered || name == family.name;
    EXPECT_EQ(ordered, !family.detect.empty()) << family.name;
  }
}

}  // namespace
