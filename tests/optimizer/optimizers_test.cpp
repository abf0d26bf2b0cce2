// Update rules against the published formulas, written out in FP64 for a few numbers.
#include <algorithm>
#include <array>
#include <cmath>
#include <vector>

#include <gtest/gtest.h>

#include <halfstep/exec/serial.hpp>
#include <halfstep/exec/threads.hpp>
#include <halfstep/optimizer/adamw.hpp>
#include <halfstep/optimizer/concept.hpp>
#include <halfstep/optimizer/gradient.hpp>
#include <halfstep/optimizer/prodigy.hpp>
#include <halfstep/optimizer/radam.hpp>

#include "../support/weights.hpp"

namespace {

using halfstep::extents2;
using halfstep::host_buffer;
using halfstep::host_view;
using halfstep::index_t;
using halfstep::serial;
using halfstep::threads;

static_assert(halfstep::check_optimizer<halfstep::gradient>());
static_assert(halfstep::check_optimizer<halfstep::adamw>());
static_assert(halfstep::check_optimizer<halfstep::radam>());
static_assert(halfstep::check_optimizer<halfstep::prodigy>());

constexpr extents2 shape{1, 3};
using numbers = std::array<double, 3>;

/// The gradient of step `t`, which differs from step to step and in sign.
numbers slope_of(int t) { return {0.5 + 0.1 * t, -2.0 + 0.3 * std::sin(t), 1e-3 * std::cos(1.3 * t)}; }

host_buffer<float> to_float(numbers const& x) {
  host_buffer<float> result(3);
  for (std::size_t i = 0; i < 3; ++i) result[static_cast<index_t>(i)] = static_cast<float>(x[i]);
  return result;
}

/// Lets `reference(x, slope, t)` and the optimizer take the same steps from the same point.
template <class Optimizer, class Reference>
void expect_steps(Optimizer const& optimizer, int steps, float rate, Reference&& reference) {
  numbers expected{0.5, -0.25, 2.0};
  auto x = to_float(expected);
  auto state = optimizer.start(shape);
  for (int t = 1; t <= steps; ++t) {
    numbers const slope = slope_of(t);
    auto const g = to_float(slope);
    reference(expected, slope, t);
    optimizer.step(serial{}, state, host_view<float const>(g.view(shape)), x.view(shape), rate);
    for (std::size_t i = 0; i < 3; ++i)
      ASSERT_NEAR(x[static_cast<index_t>(i)], expected[i], 2e-6 * std::abs(expected[i]) + 1e-6)
          << "step " << t << ", number " << i;
  }
}

TEST(Gradient, StepsDownTheSlope) {
  expect_steps(halfstep::gradient{}, 20, 0.01f, [](numbers& x, numbers const& g, int) {
    for (std::size_t i = 0; i < 3; ++i) x[i] -= 0.01 * g[i];
  });
}

TEST(Adamw, FollowsThePublishedFormula) {
  double const b1 = 0.9f, b2 = 0.999f, decay = 0.01f, rate = 0.02f;
  numbers m{}, v{};
  expect_steps(halfstep::adamw{}, 60, 0.02f, [&](numbers& x, numbers const& g, int t) {
    for (std::size_t i = 0; i < 3; ++i) {
      x[i] -= rate * decay * x[i];
      m[i] = b1 * m[i] + (1 - b1) * g[i];
      v[i] = b2 * v[i] + (1 - b2) * g[i] * g[i];
      x[i] -= rate * (m[i] / (1 - std::pow(b1, t))) / (std::sqrt(v[i] / (1 - std::pow(b2, t))) + 1e-8);
    }
  });
}

TEST(Adamw, FirstMovesEveryElementByTheRateWhateverItsSlope) {
  auto x = to_float({0.0, 0.0, 0.0});
  auto const g = to_float({1.0, -1e-3, 50.0});
  auto state = halfstep::adamw{}.start(shape);
  halfstep::adamw{}.step(serial{}, state, host_view<float const>(g.view(shape)), x.view(shape), 3e-4f);
  EXPECT_NEAR(x[0], -3e-4f, 1e-8f);
  EXPECT_NEAR(x[1], 3e-4f, 1e-8f);
  EXPECT_NEAR(x[2], -3e-4f, 1e-8f);
}

TEST(Radam, RectifiesFromTheStepOnWhereTheVarianceExists) {
  halfstep::radam const optimizer;
  // rho_t = 1999 - 2 t 0.999^t / (1 - 0.999^t) is 4.998 at t = 5 and 5.997 at t = 6.
  EXPECT_EQ(optimizer.rectification(1), 0.0);
  EXPECT_EQ(optimizer.rectification(5), 0.0);
  EXPECT_NEAR(optimizer.rectification(6), std::sqrt(1.997 * 3.997 * 1999.0 / (1995.0 * 1997.0 * 5.997)), 1e-3);
  EXPECT_LT(optimizer.rectification(100), optimizer.rectification(1000));
  EXPECT_NEAR(optimizer.rectification(20000), 1.0, 1e-3);
}

TEST(Radam, FollowsThePublishedFormulaOnBothSidesOfItsThreshold) {
  halfstep::radam const optimizer;
  double const b1 = 0.9f, b2 = 0.999f, rate = 0.02f;
  numbers m{}, v{};
  expect_steps(optimizer, 60, 0.02f, [&](numbers& x, numbers const& g, int t) {
    double const r = optimizer.rectification(t);
    for (std::size_t i = 0; i < 3; ++i) {
      m[i] = b1 * m[i] + (1 - b1) * g[i];
      v[i] = b2 * v[i] + (1 - b2) * g[i] * g[i];
      double const mean = m[i] / (1 - std::pow(b1, t));
      x[i] -= t <= 5 ? rate * mean : rate * mean * r * std::sqrt(1 - std::pow(b2, t)) / (std::sqrt(v[i]) + 1e-8);
    }
  });
}

TEST(Prodigy, FollowsThePublishedFormulaWithAveraging) {
  halfstep::prodigy const optimizer;
  double const b1 = 0.9f, b2 = 0.99f, forget = std::sqrt(b2), d0 = optimizer.first_distance;
  numbers z{}, a{}, v{}, s{}, expected{};
  double d = d0, r = 0.0, weights = 0.0;
  auto x = to_float(expected);
  auto state = optimizer.start(shape);
  for (int t = 1; t <= 40; ++t) {
    numbers const slope = slope_of(t);
    double length = 0.0, along = 0.0;
    weights += d * d;
    double const c = d * d / weights;
    for (std::size_t i = 0; i < 3; ++i) {
      along -= slope[i] * expected[i];
      s[i] = forget * s[i] + d * d * slope[i];
      length += std::abs(s[i]);
      v[i] = b2 * v[i] + (1 - b2) * d * d * slope[i] * slope[i];
      z[i] -= d * d * slope[i] / (std::sqrt(v[i] / (1 - std::pow(b2, t))) + d * 1e-8);
      a[i] = (1 - c) * a[i] + c * z[i];
      expected[i] = (1 - b1) * z[i] + b1 * a[i];
    }
    r = forget * r + d * d * along;
    d = std::max(d, r / length);
    auto const g = to_float(slope);
    optimizer.step(serial{}, state, host_view<float const>(g.view(shape)), x.view(shape), 1.0f);
    ASSERT_NEAR(state.distance, d, 1e-4 * d) << "step " << t;
    for (std::size_t i = 0; i < 3; ++i)
      ASSERT_NEAR(x[static_cast<index_t>(i)], expected[i], 1e-3 * std::abs(expected[i]) + 1e-9)
          << "step " << t << ", number " << i;
  }
}

TEST(Prodigy, FindsHowFarTheOptimumIs) {
  // |x - 3| + |x + 2| + |x - 0.5| over three numbers from 0: slopes are signs, and the estimate must grow from 1e-6 towards 1.
  host_buffer<float> x(3), g(3);
  std::fill(x.begin(), x.end(), 0.0f);
  float const goal[] = {3.0f, -2.0f, 0.5f};
  halfstep::prodigy const optimizer;
  auto state = optimizer.start(shape);
  double before = state.distance;
  for (int t = 0; t < 2000; ++t) {
    for (index_t i = 0; i < 3; ++i) g[i] = x[i] < goal[i] ? -1.0f : 1.0f;
    optimizer.step(serial{}, state, host_view<float const>(g.view(shape)), x.view(shape), 1.0f);
    ASSERT_GE(state.distance, before) << "the estimate never falls";
    before = state.distance;
  }
  EXPECT_GT(state.distance, 1e-2);
  EXPECT_LT(state.distance, 3.0 * std::sqrt(3.0)) << "a lower bound of the distance, in theory";
  for (index_t i = 0; i < 3; ++i) EXPECT_NEAR(x[i], goal[i], 0.2f);
}

TEST(Prodigy, StartsAgainWhereItIsPut) {
  halfstep::prodigy const optimizer;
  auto x = to_float({0.0, 0.0, 0.0}), g = to_float({1.0, -1.0, 1.0}), still = to_float({0.0, 0.0, 0.0});
  auto state = optimizer.start(shape);
  for (int t = 0; t < 30; ++t) optimizer.step(serial{}, state, host_view<float const>(g.view(shape)), x.view(shape), 1.0f);
  double const distance = state.distance;
  x[0] = 7.0f;
  optimizer.restart(serial{}, state, host_view<float const>(x.view(shape)));
  optimizer.step(serial{}, state, host_view<float const>(still.view(shape)), x.view(shape), 1.0f);
  EXPECT_FLOAT_EQ(x[0], 7.0f) << "without a slope it stays";
  EXPECT_EQ(state.distance, distance);
}

template <class Optimizer>
class Optimizers : public testing::Test {};

using all = testing::Types<halfstep::gradient, halfstep::adamw, halfstep::radam, halfstep::prodigy>;
TYPED_TEST_SUITE(Optimizers, all);

TYPED_TEST(Optimizers, TakeTheSameStepsOnEveryExecutor) {
  extents2 const e{211, 307};
  auto const run = [&](auto const& ex) {
    TypeParam const optimizer;
    auto state = optimizer.start(e);
    host_buffer<float> x(e.count());
    std::fill(x.begin(), x.end(), 0.0f);
    for (int t = 0; t < 8; ++t) {
      auto const g = halfstep_test::noise(e, static_cast<std::uint64_t>(t + 1));
      optimizer.step(ex, state, host_view<float const>(g.view(e)), x.view(e), 0.1f);
    }
    return std::vector<float>(x.begin(), x.end());
  };
  auto const expected = run(serial{});
  EXPECT_EQ(run(threads(2)), expected);
  EXPECT_EQ(run(threads(5)), expected);
}

TYPED_TEST(Optimizers, StandStillWithoutASlope) {
  TypeParam const optimizer;
  host_buffer<float> x(3), g(3);
  std::fill(x.begin(), x.end(), 0.0f);
  std::fill(g.begin(), g.end(), 0.0f);
  auto state = optimizer.start(shape);
  for (int t = 0; t < 10; ++t) optimizer.step(serial{}, state, host_view<float const>(g.view(shape)), x.view(shape), 1.0f);
  for (float const number : x) EXPECT_EQ(number, 0.0f);
}

TYPED_TEST(Optimizers, RefuseAGradientOfAnotherShape) {
  TypeParam const optimizer;
  host_buffer<float> x(3);
  auto state = optimizer.start(shape);
  EXPECT_THROW(optimizer.step(serial{}, state, host_view<float const>(x.view({3, 1})), x.view(shape), 1.0f),
               halfstep::shape_error);
}

}  // namespace
