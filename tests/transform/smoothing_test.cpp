#include <halfstep/transform/smoothing.hpp>

#include <cmath>
#include <limits>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <halfstep/exec/serial.hpp>
#include <halfstep/exec/threads.hpp>
#include <halfstep/kernel/column_max.hpp>
#include <halfstep/layout/int8_axis.hpp>
#include <halfstep/linalg/linear.hpp>
#include <halfstep/tensor/dequantize.hpp>
#include <halfstep/tensor/linear.hpp>
#include <halfstep/tensor/quantizer.hpp>
#include <halfstep/transform/concept.hpp>

#include "../support/weights.hpp"

namespace {

using halfstep::extents2;
using halfstep::host_buffer;
using halfstep::host_view;
using halfstep::index_t;
using halfstep::serial;
using halfstep::smoothing;
using halfstep::smoothing_factors;
using halfstep_test::message_of;
using halfstep_test::noise;

static_assert(halfstep::check_transform<smoothing>());

constexpr float infinite = std::numeric_limits<float>::infinity();

TEST(Smoothing, FollowsTheFormula) {
  std::vector<float> const x{4.0f, 9.0f, 1e-6f};
  std::vector<float> const w{1.0f, 0.25f, 1e6f};
  EXPECT_THAT(smoothing_factors(x, w, 0.5), testing::ElementsAre(2.0f, 6.0f, 1e-5f));  // the last is clamped
  EXPECT_THAT(smoothing_factors(x, w, 1.0), testing::ElementsAre(4.0f, 9.0f, 1e-5f));
  EXPECT_THAT(smoothing_factors(x, w, 0.0), testing::ElementsAre(1.0f, 4.0f, 1e-5f));
}

TEST(Smoothing, LeavesColumnsAloneThatItKnowsNothingOf) {
  std::vector<float> const x{0.0f, infinite, std::nanf(""), 4.0f, 4.0f};
  std::vector<float> const w{1.0f, 1.0f, 1.0f, 0.0f, infinite};
  EXPECT_THAT(smoothing_factors(x, w, 0.5), testing::ElementsAre(1.0f, 1.0f, 1.0f, 1.0f, 1e-5f));
}

TEST(Smoothing, GoesBackAndForthAndTakesTheInputAlong) {
  extents2 const e{37, 19};
  auto const weight = noise(e, 1);
  auto const input = noise({5, 19}, 2);
  std::vector<float> factors;
  for (int j = 0; j < 19; ++j) factors.push_back(0.01f * static_cast<float>(1 + j * j));
  smoothing const s(factors);
  EXPECT_TRUE(s.fits(e));
  EXPECT_FALSE(s.fits({19, 37}));
  auto w = noise(e, 1);
  auto x = noise({5, 19}, 2);
  host_buffer<float> before(5 * 37), after(5 * 37);
  halfstep::linear(serial{}, x.view({5, 19}), w.view(e), host_view<float const>{}, before.view({5, 37}));
  s.apply(halfstep::threads(3), w.view(e));
  s.apply_to_input(halfstep::threads(2), x.view({5, 19}));
  EXPECT_EQ(w[20], weight[20] * factors[1]);
  EXPECT_EQ(x[20], input[20] / factors[1]);
  halfstep::linear(serial{}, x.view({5, 19}), w.view(e), host_view<float const>{}, after.view({5, 37}));
  for (index_t i = 0; i < before.size(); ++i) EXPECT_NEAR(after[i], before[i], 1e-6f);
  s.invert(serial{}, w.view(e));
  for (index_t i = 0; i < w.size(); ++i) EXPECT_FLOAT_EQ(w[i], weight[i]);
}

TEST(Smoothing, TravelsWithAQuantizedTensor) {
  extents2 const e{24, 40};
  auto const w = noise(e, 3);
  auto const x = noise({7, 40}, 4);
  std::vector<float> factors;
  for (int j = 0; j < 40; ++j) factors.push_back(j % 5 == 0 ? 8.0f : 1.0f);
  auto const q =
      halfstep::quantizer<halfstep::int8_axis, halfstep::nearest, smoothing>({}, smoothing(factors))(serial{}, w.view(e));
  auto const back = halfstep::dequantize(serial{}, q);
  for (index_t i = 0; i < e.rows; ++i)
    for (index_t j = 0; j < e.columns; ++j) {
      float const step = q.groups()(i, 0) / factors[static_cast<std::size_t>(j)];
      EXPECT_LE(std::fabs(back[i * 40 + j] - w[i * 40 + j]), 0.5001f * step) << i << ", " << j;
    }
  host_buffer<float> y(7 * 24), z(7 * 24);
  halfstep::linear(serial{}, x.view({7, 40}), q, host_view<float const>{}, y.view({7, 24}));
  halfstep::linear(serial{}, x.view({7, 40}), host_view<float const>(back.view(e)), host_view<float const>{}, z.view({7, 24}));
  for (index_t i = 0; i < y.size(); ++i) EXPECT_NEAR(y[i], z[i], 1e-6f);
}

TEST(Smoothing, RefusesWhatIsNoFactor) {
  EXPECT_THAT(message_of([] { smoothing({1.0f, 0.0f}); }), testing::HasSubstr("column 1"));
  EXPECT_THAT(message_of([] { smoothing({infinite}); }), testing::HasSubstr("positive and finite"));
  EXPECT_THROW(smoothing_factors(std::vector{1.0f}, std::vector{1.0f, 2.0f}, 0.5), halfstep::shape_error);
  EXPECT_THROW(smoothing(std::vector{1.0f}).apply(serial{}, noise({1, 2}).view({1, 2})), halfstep::shape_error);
}

TEST(ColumnMax, FindsTheLargestMagnitudeOfEveryColumn) {
  extents2 const e{600, 5};
  auto x = noise(e, 5);
  x[257 * 5 + 3] = -7.0f;
  x[599 * 5 + 0] = 6.0f;
  for (auto const& found : {halfstep::column_max(serial{}, x.view(e)), halfstep::column_max(halfstep::threads(4), x.view(e))}) {
    EXPECT_EQ(found[3], 7.0f);
    EXPECT_EQ(found[0], 6.0f);
    EXPECT_LT(found[1], 0.1f);
  }
  EXPECT_THAT(halfstep::column_max(serial{}, host_view<float const>(nullptr, {0, 2})), testing::ElementsAre(0.0f, 0.0f));
}

}  // namespace
