#include <halfstep/safetensors/written_bytes.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

#include <gtest/gtest.h>

#include <halfstep/core/random.hpp>

namespace {

using halfstep::safetensors::written_bytes;

TEST(WrittenBytes, CountsNothingTwice) {
  written_bytes w;
  w.add(0, 6);
  w.add(0, 6);
  w.add(4, 8);
  EXPECT_EQ(w.count(), 8u);
  EXPECT_EQ(w.first_missing(), 8u);
}

TEST(WrittenBytes, SeesAHoleBetweenRanges) {
  written_bytes w;
  EXPECT_EQ(w.first_missing(), 0u);
  w.add(6, 10);
  EXPECT_EQ(w.first_missing(), 0u);
  w.add(0, 4);
  EXPECT_EQ(w.first_missing(), 4u);
  EXPECT_EQ(w.count(), 8u);
  w.add(4, 6);
  EXPECT_EQ(w.first_missing(), 10u);
  EXPECT_EQ(w.count(), 10u);
}

TEST(WrittenBytes, IgnoresEmptyRanges) {
  written_bytes w;
  w.add(3, 3);
  EXPECT_EQ(w.count(), 0u);
}

TEST(WrittenBytes, AgreesWithAListOfFlags) {
  constexpr std::uint64_t size = 200;
  for (std::uint64_t seed = 0; seed < 50; ++seed) {
    halfstep::philox const random(seed);
    written_bytes w;
    std::vector<bool> flags(size);
    for (std::uint64_t i = 0; i < 60; ++i) {
      auto const words = random(i);
      std::uint64_t const begin = words.word[0] % size, end = begin + words.word[1] % std::min<std::uint64_t>(12, size - begin);
      w.add(begin, end);
      std::fill(flags.begin() + static_cast<std::ptrdiff_t>(begin), flags.begin() + static_cast<std::ptrdiff_t>(end), true);
      ASSERT_EQ(w.count(), static_cast<std::uint64_t>(std::count(flags.begin(), flags.end(), true)));
      ASSERT_EQ(w.first_missing(), static_cast<std::uint64_t>(std::find(flags.begin(), flags.end(), false) - flags.begin()));
    }
  }
}

}  // namespace
