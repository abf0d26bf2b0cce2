#include <halfstep/convert/resume/file_stamp.hpp>

#include <gtest/gtest.h>

namespace {

TEST(FileStamp, TellsFilesBySizeAndTime) {
  EXPECT_EQ(to_string(halfstep::stamp_of({1, 2, 345, 1'500'000'000'000'000'123})),
            "345 bytes of 2017-07-14 02:40:00.000000123 UTC");
  EXPECT_EQ(to_string(halfstep::stamp_of({1, 2, 0, -1})), "0 bytes of 1969-12-31 23:59:59.999999999 UTC");
  EXPECT_EQ(halfstep::stamp_of({1, 2, 3, 4}), halfstep::stamp_of({5, 6, 3, 4})) << "wherever it lies";
}

}  // namespace
