// Errors counted in steps.
#include <numeric>
#include <vector>

#include <gtest/gtest.h>

#include <halfstep/exec/serial.hpp>
#include <halfstep/exec/threads.hpp>
#include <halfstep/kernel/error_histogram.hpp>
#include <halfstep/layout/int8_axis.hpp>

#include "../support/weights.hpp"

namespace {

using halfstep::extents2;
using halfstep::host_view;
using halfstep::index_t;
using halfstep::serial;

TEST(ErrorHistogram, CountsErrorsInBinsOfATwentiethOfAStep) {
  // Two rows with scales 1 and 4: errors of 0, 0.12, 0.5 and 3 steps each.
  std::vector<float> const weight{1.0f, 2.12f, 3.5f, 7.0f, 4.0f, 8.48f, 14.0f, 28.0f};
  std::vector<float> const decoded{1.0f, 2.0f, 3.0f, 4.0f, 4.0f, 8.0f, 12.0f, 16.0f};
  std::vector<float> const scales{1.0f, 4.0f};
  extents2 const e{2, 4};
  auto const bins = halfstep::error_histogram<halfstep::symmetric_grid<127>>(serial{}, host_view<float const>(weight.data(), e),
                                                                             {decoded.data(), e}, {scales.data(), {2, 1}},
                                                                             halfstep::geometry_of<halfstep::int8_axis>(e));
  halfstep::error_bins expected{};
  expected[0] = expected[2] = expected[10] = expected[19] = 2;
  EXPECT_EQ(bins, expected);
}

TEST(ErrorHistogram, CountsEveryElementForEveryNumberOfThreads) {
  extents2 const e{700, 530};
  auto const a = halfstep_test::noise(e, 1), b = halfstep_test::noise(e, 2);
  std::vector<float> const scales(700, 0.05f);
  host_view<float const> const s(scales.data(), {700, 1});
  auto const geometry = halfstep::geometry_of<halfstep::int8_axis>(e);
  auto const alone = halfstep::error_histogram<halfstep::symmetric_grid<127>>(serial{}, a.view(e), b.view(e), s, geometry);
  EXPECT_EQ(std::accumulate(alone.begin(), alone.end(), index_t{0}), e.count());
  EXPECT_EQ(alone,
            halfstep::error_histogram<halfstep::symmetric_grid<127>>(halfstep::threads(4), a.view(e), b.view(e), s, geometry));
  EXPECT_THROW(halfstep::error_histogram<halfstep::symmetric_grid<127>>(serial{}, a.view(e), b.view({530, 700}), s, geometry),
               halfstep::shape_error);
}

}  // namespace
