// Rates step by step, against tables.
#include <cmath>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include <halfstep/optimizer/adaptive_rate.hpp>
#include <halfstep/optimizer/concept.hpp>
#include <halfstep/optimizer/constant_rate.hpp>
#include <halfstep/optimizer/exponential_rate.hpp>
#include <halfstep/optimizer/plateau_rate.hpp>

namespace {

using halfstep::adaptive_rate;
using halfstep::adaptive_reset;
using halfstep::plateau_rate;
using halfstep::progress;
using halfstep::threshold_mode;

static_assert(halfstep::check_schedule<halfstep::constant_rate>());
static_assert(halfstep::check_schedule<halfstep::exponential_rate>());
static_assert(halfstep::check_schedule<plateau_rate>());
static_assert(halfstep::check_schedule<adaptive_rate>());

constexpr halfstep::extents2 square{64, 64};

TEST(ConstantRate, StaysAsItIs) {
  halfstep::constant_rate const schedule{0.25f};
  for (int i = 0; i < 5; ++i) EXPECT_EQ(schedule.rate({square, i, 1.0, i}), 0.25f);
}

TEST(ExponentialRate, FallsByTheSameFactor) {
  halfstep::exponential_rate const schedule{2.0f, 0.5f};
  EXPECT_EQ(schedule.rate({square, 0, 1.0, 0}), 2.0f);
  EXPECT_EQ(schedule.rate({square, 1, 1.0, 0}), 1.0f);
  EXPECT_EQ(schedule.rate({square, 4, 1.0, 3}), 0.125f);
}

TEST(EarlyStops, StopAtTheLossTheRateAndTheStall) {
  halfstep::constant_rate const schedule{1e-3f, {1e-6, 1e-5f, 10}};
  EXPECT_FALSE(schedule.done({square, 3, 1.0, 9}));
  EXPECT_TRUE(schedule.done({square, 3, 1.0, 10}));
  EXPECT_TRUE(schedule.done({square, 3, 1e-6, 0}));
  EXPECT_FALSE(schedule.done({square, 3, 2e-6, 0}));
  halfstep::exponential_rate const falling{1e-4f, 0.1f, {0.0, 1e-5f, 1000}};
  EXPECT_FALSE(falling.done({square, 0, 1.0, 0}));
  EXPECT_TRUE(falling.done({square, 2, 1.0, 0}));
  halfstep::early_stops const defaults;
  EXPECT_EQ(defaults.loss, 1e-8);
  EXPECT_EQ(defaults.rate, 1e-10f);
  EXPECT_EQ(defaults.stall, 1000);
}

/// The factor that an improvement gives after `count` steps without one, and that the last of these steps gave.
std::pair<float, float> factors_after(int count) {
  adaptive_rate schedule(1.0f);
  progress now{square, 0, 1.0, 0};
  float before = schedule.rate(now), rate = before;
  for (int i = 0; i < count; ++i) {
    ++now.iteration;
    ++now.stall;
    before = rate;
    rate = schedule.rate(now);
  }
  float const slower = rate / before;
  ++now.iteration;
  now.stall = 0;
  return {schedule.rate(now) / rate, slower};
}

TEST(AdaptiveRate, GrowsInTheTiersOfTheTable) {
  struct row {
    int from, to;
    float factor;
  };
  for (row const& r : {row{0, 49, 1.25f}, row{50, 74, 1.375f}, row{75, 99, 1.5f}, row{100, 124, 1.75f}, row{125, 149, 2.0f},
                       row{150, 199, 2.25f}, row{200, 249, 2.5f}, row{250, 299, 2.75f}, row{300, 400, 3.0f}})
    for (int const count : {r.from, r.to}) EXPECT_NEAR(factors_after(count).first, r.factor, 1e-5f) << count;
}

TEST(AdaptiveRate, ShrinksInTheTiersOfTheTable) {
  struct row {
    int from, to;
    float factor;
  };
  for (row const& r : {row{1, 25, 0.95f}, row{26, 50, 0.97f}, row{51, 75, 0.985f}, row{76, 100, 0.9875f}, row{101, 150, 0.98875f},
                       row{151, 200, 0.99f}, row{201, 250, 0.99125f}, row{251, 300, 0.9925f}, row{301, 400, 0.995f}})
    for (int const count : {r.from, r.to}) EXPECT_NEAR(factors_after(count).second, r.factor, 1e-5f) << count;
}

TEST(AdaptiveRate, KeepsToItsFloorsAndItsCap) {
  float const floors[] = {9e-8f, 8e-8f, 7e-8f, 6e-8f, 5e-8f, 4e-8f, 3e-8f, 2e-8f, 5e-9f};
  int const last[] = {25, 50, 75, 100, 150, 200, 250, 300, 2000};
  adaptive_rate falling(9.1e-8f);
  progress now{square, 0, 1.0, 0};
  falling.rate(now);
  for (int tier = 0; tier < 9; ++tier)
    while (now.stall < last[tier]) {
      ++now.iteration;
      ++now.stall;
      ASSERT_GE(falling.rate(now), floors[tier] * 0.999f) << "at " << now.stall;
    }
  EXPECT_FLOAT_EQ(falling.rate(now), 5e-9f);
  adaptive_rate rising(90.0f);
  EXPECT_EQ(rising.rate({square, 0, 1.0, 0}), 90.0f);
  EXPECT_EQ(rising.rate({square, 1, 0.9, 0}), 100.0f);
  EXPECT_EQ(rising.rate({square, 2, 0.8, 0}), 100.0f);
  adaptive_rate tiny(1e-9f);
  EXPECT_LE((tiny.rate({square, 0, 1.0, 0}), tiny.rate({square, 1, 1.0, 1})), 1e-9f) << "a floor does not lift a rate";
}

TEST(AdaptiveRate, ForgetsItsCounterAfterAnImprovementUnlessToldNotTo) {
  auto const last_factor = [](adaptive_reset mode) {
    adaptive_rate schedule(1.0f, mode);
    progress now{square, 0, 1.0, 0};
    float rate = schedule.rate(now);
    float before = rate;
    for (int i = 1; i <= 62; ++i) {
      now.iteration = i;
      now.stall = i <= 60 ? i : 0;  // 60 failures, then two improvements
      before = rate;
      rate = schedule.rate(now);
    }
    return rate / before;
  };
  EXPECT_NEAR(last_factor(adaptive_reset::simple_reset), 1.25f, 1e-5f);
  EXPECT_NEAR(last_factor(adaptive_reset::no_reset), 1.375f, 1e-5f);
}

std::vector<float> rates(plateau_rate schedule, std::vector<double> const& losses, halfstep::extents2 shape = square) {
  std::vector<float> result;
  for (std::size_t i = 0; i < losses.size(); ++i) result.push_back(schedule.rate({shape, static_cast<int>(i), losses[i], 0}));
  return result;
}

TEST(PlateauRate, FallsAfterMoreThanItsPatienceAndThenCoolsDown) {
  plateau_rate const schedule({.initial = 1.0f, .factor = 0.5f, .patience = 2, .cooldown = 2, .shape_influence = 0.0f});
  // One good loss, three bad ones: the third is one too many. Two more cool down, and it takes three after them.
  EXPECT_EQ(rates(schedule, {5, 5, 5, 5, 5, 5, 5, 5, 5, 5}), (std::vector<float>{1, 1, 1, .5f, .5f, .5f, .5f, .5f, .25f, .25f}));
  EXPECT_EQ(rates(schedule, {5, 5, 5, 4, 5, 5, 5}), (std::vector<float>{1, 1, 1, 1, 1, 1, .5f})) << "an improvement starts anew";
}

TEST(PlateauRate, CountsOnlyImprovementsBeyondTheThreshold) {
  auto const with = [](threshold_mode mode) {
    return plateau_rate(
        {.initial = 1.0f, .factor = 0.5f, .patience = 0, .cooldown = 0, .threshold = 0.1, .mode = mode, .shape_influence = 0.0f});
  };
  EXPECT_EQ(rates(with(threshold_mode::relative), {10, 9.5, 8.9, 8.1}), (std::vector<float>{1, .5f, .5f, .25f}));
  EXPECT_EQ(rates(with(threshold_mode::absolute), {10, 9.95, 9.8, 9.6}), (std::vector<float>{1, .5f, .5f, .5f}));
}

TEST(PlateauRate, DoesNotFallBelowItsMinimum) {
  plateau_rate const schedule(
      {.initial = 1.0f, .factor = 0.1f, .patience = 0, .cooldown = 0, .minimum = 0.05f, .shape_influence = 0.0f});
  EXPECT_EQ(rates(schedule, {1, 1, 1, 1}), (std::vector<float>{1, .1f, .05f, .05f}));
}

TEST(PlateauRate, FallsFurtherForLongerShapesByTheirInfluence) {
  EXPECT_FLOAT_EQ(plateau_rate::factor_for({64, 64}, 0.92f, 1.0f), 0.92f);
  EXPECT_FLOAT_EQ(plateau_rate::factor_for({64, 256}, 0.92f, 1.0f), 0.92f * 0.92f);
  EXPECT_FLOAT_EQ(plateau_rate::factor_for({256, 64}, 0.92f, 1.0f), 0.92f * 0.92f);
  EXPECT_FLOAT_EQ(plateau_rate::factor_for({256, 64}, 0.92f, 0.0f), 0.92f);
  EXPECT_FLOAT_EQ(plateau_rate::factor_for({256, 64}, 0.92f, 0.5f), 0.92f + (0.8464f - 0.92f) * 0.5f);
  EXPECT_FLOAT_EQ(plateau_rate::factor_for({64, 128}, 0.5f, 1.0f), std::pow(0.5f, std::sqrt(2.0f)));
  plateau_rate const schedule({.initial = 1.0f, .factor = 0.5f, .patience = 0, .cooldown = 0});
  EXPECT_EQ(rates(schedule, {1, 1}, {400, 100}), (std::vector<float>{1, .25f}));
}

}  // namespace
