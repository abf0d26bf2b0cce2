#include <halfstep/core/version.hpp>

#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace {

TEST(Version, IsThreeNumbers) { EXPECT_THAT(std::string(halfstep::version), testing::MatchesRegex("[0-9]+\\.[0-9]+\\.[0-9]+")); }

TEST(Version, IsTheOneTheBuildReads) { EXPECT_EQ(halfstep::version, HALFSTEP_PROJECT_VERSION); }

}  // namespace
