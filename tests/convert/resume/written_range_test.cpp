#include <halfstep/convert/resume/written_range.hpp>

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace {

using halfstep::ranges_of;
using halfstep::written_range;

TEST(WrittenRange, IsShort) {
  constexpr std::uint64_t most = written_range::most_bytes;
  std::vector<std::byte> data(2 * most + 2, std::byte{7});
  data.back() = std::byte{8};
  std::span const all(data);
  EXPECT_THAT(ranges_of(3, all), testing::ElementsAre(written_range{3, most, halfstep::digest(all.first(most))},
                                                      written_range{3 + most, most, halfstep::digest(all.first(most))},
                                                      written_range{3 + 2 * most, 2, halfstep::digest(all.last(2))}));
  EXPECT_THAT(ranges_of(3, {}), testing::IsEmpty());
}

}  // namespace
