#include <halfstep/recipe/bases.hpp>
#include <halfstep/recipe/format_table.hpp>

#include <cstdint>
#include <string_view>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <halfstep/core/random.hpp>
#include <halfstep/layout/int8_axis.hpp>
#include <halfstep/layout/int8_block.hpp>
#include <halfstep/layout/int8_tensor.hpp>
#include <halfstep/rounding/nearest.hpp>
#include <halfstep/rounding/stochastic.hpp>

#include "../support/weights.hpp"

namespace {

using namespace halfstep;

/// A rounding of somebody else's, with random numbers under another name.
struct coin {
  static constexpr std::string_view name = "coin";
  static constexpr float max_error_steps = 1.0f;
  philox numbers{};

  template <class Code>
  constexpr Code operator()(bracket<Code> b, index_t element) const {
    return numbers(static_cast<std::uint64_t>(element)).word[0] % 2 == 0 ? b.nearer : b.farther;
  }
};

format_table table() { return format_table(make_format<int8_axis, nearest>(), make_format<int8_block<64>, nearest, coin>()); }

TEST(FormatTable, FindsARowByItsNames) {
  EXPECT_EQ(table().at({.format = format_of<int8_block<64>>}).format.side, 64);
  EXPECT_EQ(table().at({.format = format_of<int8_block<64>>, .rounding = "coin"}).rounding, "coin");
  EXPECT_EQ(table().at({.format = format_of<int8_axis>, .bases = {halfstep::convrot(256)}}).format, format_of<int8_axis>);
}

TEST(FormatTable, ListsWhatItHasWhenALookupFails) {
  std::string const said = halfstep_test::message_of([] { table().at({.format = format_of<int8_block<32>>}); });
  EXPECT_THAT(said, testing::HasSubstr("int8_blockwise 32"));
  EXPECT_THAT(said, testing::HasSubstr("this build has int8_axiswise; int8_blockwise 64; int8_blockwise 64, coin"));
  EXPECT_THROW(table().at({.format = format_of<int8_axis>, .rounding = "stochastic"}), unknown_option);
}

TEST(FormatTable, NamesEachFormatOnce) {
  EXPECT_THAT(table().formats(), testing::ElementsAre(format_of<int8_axis>, format_of<int8_block<64>>));
}

TEST(FormatTable, GivesARoundingThatTakesRandomNumbersThoseOfTheKey) {
  std::vector<float> const weight(64 * 64, 0.4f);
  float const scale = 1.0f;
  auto const codes_with = [&](std::uint64_t key) {
    std::vector<std::int8_t> codes(weight.size());
    auto const rows = make_format<int8_tensor, coin>();
    rows[0].from_f32.encode({weight.data(), {64, 64}, 0}, &scale, key, codes.data());
    return codes;
  };
  EXPECT_EQ(codes_with(1), codes_with(1));
  EXPECT_NE(codes_with(1), codes_with(2));
}

TEST(FormatTable, KnowsWhichRowsShareGroups) {
  EXPECT_EQ(format_of<int8_axis>.group_rows({320, 64}), 1);
  EXPECT_EQ(format_of<int8_block<64>>.group_rows({320, 64}), 64);
  EXPECT_FALSE(format_of<int8_block<64>>.spans_rows({320, 64}));
  EXPECT_FALSE(format_of<int8_block<64>>.spans_rows({64, 4096}));
  EXPECT_TRUE(format_of<int8_tensor>.spans_rows({320, 64}));
}

}  // namespace
