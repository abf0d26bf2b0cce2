#include <halfstep/safetensors/name_order.hpp>

#include <algorithm>
#include <deque>
#include <random>
#include <set>
#include <string>
#include <vector>

#include <gtest/gtest.h>

namespace {

namespace st = halfstep::safetensors;

// Sorts `names`; returns the one that occurs twice, or nothing.
template <class Refs>
std::optional<std::string> sort(std::vector<std::string> const& names, Refs& refs) {
  for (std::size_t i = 0; i < names.size(); ++i) refs.push_back(st::name_ref::to(names[i], static_cast<std::uint32_t>(i)));
  auto const text_of = [&](st::name_ref n) { return std::string_view(names[n.where]); };
  auto const twice = st::sort_names(refs.begin(), refs.end(), text_of);
  return twice ? std::optional<std::string>(text_of(*twice)) : std::nullopt;
}

// Names of few letters, zero among them, with long common prefixes.
std::vector<std::string> random_names(std::mt19937_64& random, std::size_t count) {
  std::set<std::string> names;
  std::string const letters("\0a\xff", 3);
  while (names.size() < count) {
    std::string name(random() % 40, 'p');
    for (std::size_t i = 4 + random() % 12; i > 0; --i) name += letters[random() % 3];
    if (random() % 8 == 0) name.resize(random() % 9);
    names.insert(name);
  }
  std::vector<std::string> shuffled(names.begin(), names.end());
  std::shuffle(shuffled.begin(), shuffled.end(), random);
  return shuffled;
}

TEST(SortNames, OrdersAsStringsCompare) {
  std::mt19937_64 random(3);
  for (std::size_t const count : {0u, 1u, 2u, 16u, 17u, 1000u, 5000u}) {
    auto names = random_names(random, count);
    std::deque<st::name_ref> refs;
    ASSERT_EQ(sort(names, refs), std::nullopt) << count;
    std::vector<std::string> sorted;
    for (st::name_ref const n : refs) sorted.push_back(names[n.where]);
    std::sort(names.begin(), names.end());
    ASSERT_EQ(sorted, names) << count;
  }
}

TEST(SortNames, FindsTheOneNameThatOccursTwice) {
  std::mt19937_64 random(5);
  for (int round = 0; round < 50; ++round) {
    auto names = random_names(random, 300);
    std::string const twice = names[random() % names.size()];
    names[random() % names.size()] = twice;
    std::vector<st::name_ref> refs;
    auto const distinct = std::set<std::string>(names.begin(), names.end()).size();
    ASSERT_EQ(sort(names, refs), distinct == names.size() ? std::nullopt : std::optional(twice)) << round;
  }
}

TEST(SortNames, FindsANameThatOccursManyTimes) {
  for (std::string const& name :
       {std::string(), std::string("a"), std::string(8, '\0'), std::string(9, 'b'), std::string(5000, 'c')}) {
    std::vector<st::name_ref> refs;
    EXPECT_EQ(sort(std::vector<std::string>(100, name), refs), name);
  }
}

TEST(SortNames, TellsAnEndFromAZero) {
  std::vector<st::name_ref> refs;
  EXPECT_EQ(sort({std::string("a\0", 2), "a", std::string("a\0\0\0\0\0\0\0\0", 9), std::string("a\0\0\0\0\0\0\0", 8)}, refs),
            std::nullopt);
  EXPECT_EQ(refs[0].size, 1u);
  EXPECT_EQ(refs[3].size, 9u);
}

}  // namespace
