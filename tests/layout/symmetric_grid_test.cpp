#include <halfstep/layout/symmetric_grid.hpp>

#include <cmath>
#include <limits>

#include <gtest/gtest.h>

#include <halfstep/core/bfloat16.hpp>
#include <halfstep/core/source.hpp>
#include <halfstep/rounding/nearest.hpp>

namespace {

using grid = halfstep::symmetric_grid<127>;

TEST(SymmetricGrid, RoundsEveryBfloat16AsDivisionWould) {
  halfstep::nearest const round;
  for (float const scale : {1.0f, 0.1f, 3.0517578e-5f, 0.0123456789f, 7.9e-4f}) {
    auto const step = grid::unpack(scale);
    for (std::uint32_t bits = 0; bits < 0x10000; ++bits) {
      float const x = halfstep::widen(static_cast<halfstep::bfloat16>(bits));
      if (!(std::fabs(x / scale) <= 127.0f)) continue;
      ASSERT_EQ(round(grid::locate(x, step), 0), static_cast<int>(std::nearbyint(x / scale))) << x << " / " << scale;
    }
  }
}

TEST(SymmetricGrid, SendsTiesToTheEvenCode) {
  auto const step = grid::unpack(0.25f);
  halfstep::nearest const round;
  EXPECT_EQ(round(grid::locate(0.125f, step), 0), 0);
  EXPECT_EQ(round(grid::locate(0.375f, step), 0), 2);
  EXPECT_EQ(round(grid::locate(-0.375f, step), 0), -2);
}

TEST(SymmetricGrid, RoundsEveryHalfToEvenAndNeverTruncates) {
  auto const step = grid::unpack(1.0f);
  for (int code = -127; code < 127; ++code) {
    float const half = static_cast<float>(code) + 0.5f;
    EXPECT_EQ(grid::locate(half, step).nearer, code % 2 == 0 ? code : code + 1) << half;
    EXPECT_EQ(grid::locate(std::nextafter(half, 1e9f), step).nearer, code + 1) << half;
    EXPECT_EQ(grid::locate(std::nextafter(half, -1e9f), step).nearer, code) << half;
    EXPECT_EQ(grid::locate(half, step).t, 0.5f) << half;
  }
}

TEST(SymmetricGrid, NamesTheNeighbourOnTheOtherSide) {
  auto const b = grid::locate(0.70f, grid::unpack(0.25f));  // 2.8 steps
  EXPECT_EQ(b.nearer, 3);
  EXPECT_EQ(b.farther, 2);
  EXPECT_NEAR(b.t, 0.2f, 1e-6f);
}

TEST(SymmetricGrid, StaysOnTheGridBeyondItsEnds) {
  auto const step = grid::unpack(1.0f);
  for (float const x : {127.4f, 127.6f, 300.0f, -127.4f, -1e6f}) {
    auto const b = grid::locate(x, step);
    EXPECT_EQ(b.nearer, x > 0 ? 127 : -127) << x;
    EXPECT_GE(b.farther * (x > 0 ? 1 : -1), 126) << x;
  }
}

TEST(SymmetricGrid, LocatesFarNumbersLikeNearOnes) {
  auto const step = grid::unpack(0.37f);
  for (float x = -90.0f; x < 90.0f; x += 0.013f) {
    auto const near = grid::locate(x, step), far = grid::locate_far(x, step);
    ASSERT_EQ(near.nearer, far.nearer) << x;
    ASSERT_EQ(near.farther, far.farther) << x;
    ASSERT_EQ(near.t, far.t) << x;
  }
  float const largest = std::numeric_limits<float>::max(), smallest = std::numeric_limits<float>::denorm_min();
  EXPECT_EQ(grid::locate_far(largest, grid::unpack(smallest)).nearer, 127);
  EXPECT_EQ(grid::locate_far(-largest, grid::unpack(1e-3f)).nearer, -127);
  EXPECT_EQ(grid::locate_far(3 * smallest, grid::unpack(smallest)).nearer, 3);
  EXPECT_EQ(grid::locate_far(smallest, grid::unpack(largest)).nearer, 0);
}

TEST(SymmetricGrid, KnowsWhereItsFastPathEnds) {
  EXPECT_TRUE(grid::is_near({4000.0f}, grid::unpack(1e-3f)));
  EXPECT_FALSE(grid::is_near({5000.0f}, grid::unpack(1e-3f)));
  EXPECT_FALSE(grid::is_near({0.0f}, grid::unpack(1e-38f)));
  EXPECT_FALSE(grid::is_near({0.0f}, grid::unpack(3e38f)));
}

TEST(SymmetricGrid, ClipsMoreThanHalfAStepBeyondItsEnds) {
  auto const step = grid::unpack(2.0f);
  EXPECT_FALSE(grid::clips(255.0f, step));
  EXPECT_TRUE(grid::clips(-255.1f, step));
}

}  // namespace
