#include <halfstep/core/digest.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <set>
#include <span>
#include <vector>

#include <gtest/gtest.h>

namespace {

std::vector<std::byte> counted(std::size_t size) {
  std::vector<std::byte> bytes(size);
  for (std::size_t i = 0; i < size; ++i) bytes[i] = static_cast<std::byte>(i * 37 + 5);
  return bytes;
}

TEST(Digest, ChangesWithEveryBit) {
  for (std::size_t const size : {1u, 7u, 8u, 9u, 31u, 32u, 33u, 40u, 64u, 100u}) {
    auto bytes = counted(size);
    std::set<std::uint64_t> seen{halfstep::digest(bytes)};
    for (std::size_t bit = 0; bit < 8 * size; ++bit) {
      bytes[bit / 8] ^= std::byte{1} << bit % 8;
      EXPECT_TRUE(seen.insert(halfstep::digest(bytes)).second) << "bit " << bit << " of " << size << " bytes";
      bytes[bit / 8] ^= std::byte{1} << bit % 8;
    }
    EXPECT_EQ(halfstep::digest(bytes), *seen.find(halfstep::digest(bytes)));
  }
}

TEST(Digest, TellsZerosOfEveryLengthApart) {
  std::set<std::uint64_t> seen;
  std::vector<std::byte> const zeros(200);
  for (std::size_t size = 0; size <= zeros.size(); ++size)
    EXPECT_TRUE(seen.insert(halfstep::digest(std::span(zeros).first(size))).second) << size;
}

TEST(Digest, TellsOrderApart) {
  auto bytes = counted(128);
  std::set<std::uint64_t> seen{halfstep::digest(bytes)};
  for (std::size_t first = 0; first < 128; first += 8)
    for (std::size_t second = first + 8; second < 128; second += 8) {
      auto swapped = bytes;
      std::swap_ranges(swapped.begin() + static_cast<std::ptrdiff_t>(first),
                       swapped.begin() + static_cast<std::ptrdiff_t>(first) + 8,
                       swapped.begin() + static_cast<std::ptrdiff_t>(second));
      EXPECT_TRUE(seen.insert(halfstep::digest(swapped)).second) << first << " and " << second;
    }
}

TEST(Digest, ReadsWhereverBytesLie) {
  auto const bytes = counted(77);
  std::vector<std::byte> shifted(bytes.size() + 8);
  for (std::size_t offset = 0; offset < 8; ++offset) {
    std::copy(bytes.begin(), bytes.end(), shifted.begin() + static_cast<std::ptrdiff_t>(offset));
    EXPECT_EQ(halfstep::digest(std::span(shifted).subspan(offset, bytes.size())), halfstep::digest(bytes));
  }
}

}  // namespace
