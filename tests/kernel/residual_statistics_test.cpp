#include <halfstep/kernel/residual_statistics.hpp>

#include <cmath>
#include <vector>

#include <gtest/gtest.h>

#include <halfstep/core/random.hpp>
#include <halfstep/exec/threads.hpp>
#include <halfstep/layout/fp16.hpp>
#include <halfstep/layout/int8_axis.hpp>
#include <halfstep/layout/int8_block.hpp>
#include <halfstep/tensor/quantizer.hpp>

namespace {

using halfstep::extents2;
using halfstep::host_buffer;
using halfstep::host_view;
using halfstep::index_t;

host_buffer<float> noise(extents2 e) {
  host_buffer<float> x(e.count());
  for (index_t i = 0; i < x.size(); ++i)
    x[i] = halfstep::unit_float(halfstep::philox(3)(static_cast<std::uint64_t>(i)).word[0]) - 0.5f;
  return x;
}

bool equal(halfstep::residual_statistics const& a, halfstep::residual_statistics const& b) {
  return a.weight_square == b.weight_square && a.error_square == b.error_square && a.product == b.product &&
         a.max_error == b.max_error && a.clipped == b.clipped;
}

TEST(ResidualStatistics, AreTheSumsOfTheirDefinition) {
  extents2 const e{70, 37};
  auto const x = noise(e);
  auto const q = halfstep::quantizer<halfstep::int8_axis>()(halfstep::serial{}, x.view(e));
  host_view<float const> const weight = x.view(e);
  auto const s =
      halfstep::total(halfstep::measure_residual<halfstep::int8_axis>(halfstep::serial{}, weight, q.codes(), q.groups()));
  double weight_square = 0, error_square = 0, product = 0, max_error = 0;
  for (index_t row = 0; row < e.rows; ++row)
    for (index_t column = 0; column < e.columns; ++column) {
      double const wide = weight(row, column);
      double const error = wide - static_cast<double>(q.codes()(row, column)) * q.groups()(row, 0);
      weight_square += wide * wide;
      error_square += error * error;
      product += wide * error;
      max_error = std::fmax(max_error, std::fabs(error));
    }
  EXPECT_NEAR(s.weight_square, weight_square, 1e-6 * weight_square);
  EXPECT_NEAR(s.error_square, error_square, 1e-5 * error_square);
  EXPECT_NEAR(s.product, product, 1e-5 * std::fabs(product) + 1e-6 * error_square);
  EXPECT_NEAR(s.max_error, max_error, 1e-5 * max_error);
  EXPECT_EQ(s.clipped, 0);
  EXPECT_NEAR(halfstep::sqnr_db(s), 10 * std::log10(weight_square / error_square), 1e-4);
}

TEST(ResidualStatistics, DoNotDependOnTheExecutorOrOnTheCut) {
  extents2 const e{448, 192};
  auto const x = noise(e);
  auto const q = halfstep::quantizer<halfstep::int8_block<64>>()(halfstep::serial{}, x.view(e));
  host_view<float const> const weight = x.view(e);
  auto const measure = [](auto const& ex, auto w, auto codes, auto groups) {
    return halfstep::measure_residual<halfstep::int8_block<64>>(ex, w, codes, groups);
  };
  auto const whole = measure(halfstep::serial{}, weight, q.codes(), q.groups());
  auto const parallel = measure(halfstep::threads(3), weight, q.codes(), q.groups());
  ASSERT_EQ(whole.size(), static_cast<std::size_t>(e.rows / halfstep::residual_tile_rows));
  std::vector<halfstep::residual_statistics> pieces;
  for (index_t first = 0; first < e.rows; first += 192) {
    index_t const rows = std::min<index_t>(192, e.rows - first);
    auto const piece = measure(halfstep::serial{}, weight.rows(first, rows), q.codes().rows(first, rows),
                               q.groups().rows(first / 64, rows / 64));
    pieces.insert(pieces.end(), piece.begin(), piece.end());
  }
  ASSERT_EQ(pieces.size(), whole.size());
  for (std::size_t i = 0; i < whole.size(); ++i) {
    EXPECT_TRUE(equal(whole[i], parallel[i])) << i;
    EXPECT_TRUE(equal(whole[i], pieces[i])) << i;
  }
}

TEST(ResidualStatistics, CountWhatLiesBeyondTheLastCode) {
  std::vector<float> const weight{1.0f, 127.5f, 127.6f, -300.0f, 0.0f, 70000.0f};
  float const scale = 1.0f;
  host_view<float const> const x(weight.data(), {1, 6});
  auto const q = halfstep::quantizer<halfstep::int8_axis>().with_groups(halfstep::serial{}, x, {&scale, {1, 1}});
  EXPECT_EQ(halfstep::measure_residual<halfstep::int8_axis>(halfstep::serial{}, x, q.codes(), q.groups())[0].clipped, 3);
  auto const h = halfstep::quantizer<halfstep::fp16>()(halfstep::serial{}, x);
  auto const s = halfstep::measure_residual<halfstep::fp16>(halfstep::serial{}, x, h.codes(), h.groups())[0];
  EXPECT_EQ(s.clipped, 1);
  EXPECT_EQ(s.max_error, 127.625f - 127.6f);  // of the finite ones
}

}  // namespace
