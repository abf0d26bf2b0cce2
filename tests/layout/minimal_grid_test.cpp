// A grid with no more than it must have: what is derived from it, and what the library's grids answer themselves.
#include <cmath>
#include <string_view>

#include <gtest/gtest.h>

#include <halfstep/exec/threads.hpp>
#include <halfstep/layout/absmax_scale.hpp>
#include <halfstep/layout/e4m3_grid.hpp>
#include <halfstep/layout/geometry/per_row.hpp>
#include <halfstep/layout/on_grid.hpp>
#include <halfstep/layout/scaled.hpp>
#include <halfstep/layout/symmetric_grid.hpp>
#include <halfstep/rounding/stochastic.hpp>
#include <halfstep/tensor/dequantize.hpp>
#include <halfstep/tensor/linear.hpp>
#include <halfstep/tensor/quantizer.hpp>
#include <halfstep/tensor/transpose.hpp>

#include "../support/minimal_grid.hpp"
#include "../support/weights.hpp"

namespace {

using halfstep::extents2;
using halfstep::host_buffer;
using halfstep::host_view;
using halfstep::index_t;
using halfstep::on_grid;
using halfstep_test::minimal_grid;

struct minimal_layout : halfstep::scaled<minimal_grid, halfstep::per_row, halfstep::absmax_scale<-30>> {
  static constexpr std::string_view name = "minimal_rows";
};
static_assert(halfstep::check_layout<minimal_layout>());

TEST(MinimalGrid, HasNeighboursAndDistancesOnBothSides) {
  using grid = on_grid<minimal_grid>;
  float const s = 0.5f;
  for (int code = -2; code <= 2; ++code) {
    auto const c = static_cast<std::int8_t>(code);
    EXPECT_EQ(grid::neighbour(c, 1.0f), std::min(code + 1, 2)) << code;
    EXPECT_EQ(grid::neighbour(c, -3.0f), std::max(code - 1, -2)) << code;
    EXPECT_EQ(grid::gap(c, 1.0f, s), code == 1 || code == -2 || code == 2 ? 1.5f : 0.5f) << code;
    EXPECT_EQ(grid::gap(c, -1.0f, s), code == -1 || code == -2 || code == 2 ? 1.5f : 0.5f) << code;
    EXPECT_EQ(grid::least_gap(c, s), code == 2 || code == -2 ? 1.5f : 0.5f) << code;
  }
  for (auto const& [x, length] : {std::pair{0.2f, 0.5f}, {-0.3f, 0.5f}, {0.7f, 1.5f}, {1.9f, 1.5f}, {-9.0f, 1.5f}})
    EXPECT_EQ(grid::spacing(x, s), length) << x;
  for (auto const& [x, number] : {std::pair{0.4f, 0.0f}, {-0.6f, -1.0f}, {2.4f, 1.0f}, {2.6f, 4.0f}, {-7.0f, -4.0f}})
    EXPECT_EQ(grid::nearest_number(x), number) << x;
  EXPECT_FALSE(grid::clips(2.7f, s));
  EXPECT_TRUE(grid::clips(-2.8f, s));
  EXPECT_FALSE(grid::clips(0.7f, s));
}

/// A grid that is no more than the required members of another.
template <class Grid>
struct bare {
  static constexpr std::string_view name = "bare";
  static constexpr float last = Grid::last;
  using code_type = typename Grid::code_type;
  using step_type = typename Grid::step_type;
  static step_type unpack(float scale) { return Grid::unpack(scale); }
  static float decode(code_type code, step_type s) { return Grid::decode(code, s); }
  static halfstep::bracket<code_type> locate(float x, step_type s) { return Grid::locate(x, s); }
};

template <class Grid>
class DerivedAnswers : public testing::Test {};
using grids = testing::Types<halfstep::symmetric_grid<127>, halfstep::symmetric_grid<7>, halfstep::e4m3_grid>;
TYPED_TEST_SUITE(DerivedAnswers, grids);

TYPED_TEST(DerivedAnswers, AreThoseThatTheGridGivesItself) {
  using derived = on_grid<bare<TypeParam>>;
  using own = on_grid<TypeParam>;
  auto const s = TypeParam::unpack(0.25f);
  auto const number = [&](auto code) { return TypeParam::decode(code, s); };
  for (float x = -0.26f * TypeParam::last; x < 0.26f * TypeParam::last; x += 0.0137f) {
    auto const code = TypeParam::locate(x, s).nearer;
    for (float const side : {1.0f, -1.0f}) {
      ASSERT_EQ(number(derived::neighbour(code, side)), number(own::neighbour(code, side))) << x;
      if (own::neighbour(code, side) != code) {
        ASSERT_FLOAT_EQ(derived::gap(code, side, s), own::gap(code, side, s)) << x;
      }
    }
    ASSERT_FLOAT_EQ(derived::least_gap(code, s), own::least_gap(code, s)) << x;
    if (std::fabs(x) <= 0.25f * TypeParam::last) {
      ASSERT_EQ(derived::nearest_number(4.0f * x), own::nearest_number(4.0f * x)) << x;
    }
    ASSERT_EQ(derived::clips(x, s), own::clips(x, s)) << x;
  }
}

TEST(MinimalGrid, IsQuantizedRestoredMultipliedAndTransposed) {
  extents2 const e{40, 70};
  auto const w = halfstep_test::noise(e);
  auto const q = halfstep::quantizer<minimal_layout>()(halfstep::threads(2), w.view(e));
  auto const plain = halfstep::dequantize(halfstep::serial{}, q);
  for (index_t row = 0; row < e.rows; ++row) {
    float const s = q.groups()(row, 0);
    for (index_t k = 0; k < e.columns; ++k) {
      float const x = w[row * 70 + k], y = plain[row * 70 + k];
      float least = 1e30f;
      for (float const number : {-4.0f, -1.0f, 0.0f, 1.0f, 4.0f}) least = std::fmin(least, std::fabs(x - number * s));
      ASSERT_NEAR(std::fabs(x - y), least, 1e-7f);
    }
  }
  auto const random = halfstep::quantizer<minimal_layout, halfstep::stochastic>()(halfstep::serial{}, w.view(e));
  EXPECT_EQ(halfstep::dequantize(halfstep::serial{}, halfstep::transpose(halfstep::serial{}, q))[1], plain[70]);
  auto const x = halfstep_test::noise({1, 70}, 2);
  host_buffer<float> y(40);
  halfstep::linear(halfstep::serial{}, x.view({1, 70}), q, {}, y.view({1, 40}));
  double sum = 0.0;
  for (index_t k = 0; k < 70; ++k) sum += static_cast<double>(x[k]) * static_cast<double>(plain[k]);
  EXPECT_NEAR(y[0], sum, 1e-6);
  index_t moved = 0;
  for (index_t i = 0; i < e.count(); ++i) moved += random.codes().data()[i] != q.codes().data()[i] ? 1 : 0;
  EXPECT_GT(moved, 0);
}

}  // namespace
