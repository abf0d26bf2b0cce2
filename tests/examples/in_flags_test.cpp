#include <program/in_flags.hpp>

#include <gtest/gtest.h>

namespace {

constexpr program::option_name names[] = {{"exclude", "--exclude-layers"}, {"layers", "--layer-config"}};

TEST(InFlags, PutsFlagsWhereTheLibraryNamesItsOptions) {
  EXPECT_EQ(program::in_flags("keep it with `exclude`", names), "keep it with --exclude-layers");
  EXPECT_EQ(program::in_flags("`layers` 'a': `exclude`, `layers`", names),
            "--layer-config 'a': --exclude-layers, --layer-config");
}

TEST(InFlags, LeavesAloneWhatNoOptionIsCalled) {
  EXPECT_EQ(program::in_flags("no `scale_weight` beside `exclude` or `exclude", names),
            "no `scale_weight` beside --exclude-layers or `exclude");
  EXPECT_EQ(program::in_flags("a ` alone before `exclude`", names), "a ` alone before --exclude-layers");
  EXPECT_EQ(program::in_flags("``", names), "``");
  EXPECT_EQ(program::in_flags("", names), "");
}

}  // namespace
