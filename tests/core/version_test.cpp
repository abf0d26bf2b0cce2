#include <halfstep/core/version.hpp>

#include <regex>
#include <string>

#include <gtest/gtest.h>

namespace {

TEST(Version, IsThreeNumbers) {
  EXPECT_TRUE(std::regex_match(std::string(halfstep::version), std::regex("[0-9]+\\.[0-9]+\\.[0-9]+"))) << halfstep::version;
}

TEST(Version, IsTheOneTheBuildReads) { EXPECT_EQ(halfstep::version, HALFSTEP_PROJECT_VERSION); }

}  // namespace
