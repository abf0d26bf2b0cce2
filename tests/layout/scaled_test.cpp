// Layouts that are composed of a grid, a geometry and a scale rule.
#include <halfstep/layout/scaled.hpp>

#include <cmath>
#include <type_traits>

#include <gtest/gtest.h>

#include <halfstep/exec/serial.hpp>
#include <halfstep/layout/absmax_scale.hpp>
#include <halfstep/layout/fp16.hpp>
#include <halfstep/layout/fp8_axis.hpp>
#include <halfstep/layout/fp8_block.hpp>
#include <halfstep/layout/fp8_tensor.hpp>
#include <halfstep/layout/geometry/per_row.hpp>
#include <halfstep/layout/int8_axis.hpp>
#include <halfstep/layout/int8_block.hpp>
#include <halfstep/layout/int8_tensor.hpp>
#include <halfstep/layout/transposed.hpp>
#include <halfstep/tensor/dequantize.hpp>
#include <halfstep/tensor/linear.hpp>
#include <halfstep/tensor/quantizer.hpp>
#include <halfstep/tensor/transpose.hpp>

#include "../support/weights.hpp"

namespace {

using halfstep::extents2;
using halfstep::index_t;
using halfstep::serial;

/// Powers of two as scales, stored as their exponents: a rule whose groups are no floats.
struct power_of_two_scale {
  using group_type = std::int8_t;
  template <class Grid>
  static group_type fit(halfstep::value_range v) {
    return v.amax > 0.0f ? static_cast<group_type>(std::ceil(std::log2(v.amax / Grid::last))) : group_type{-100};
  }
  static float scale_of(group_type group) { return std::ldexp(1.0f, group); }
};

/// INT4 numbers with such a scale a row.
struct shared_exponent : halfstep::scaled<halfstep::symmetric_grid<7>, halfstep::per_row, power_of_two_scale> {
  static constexpr std::string_view name = "shared_exponent";
};

static_assert(halfstep::check_layout<shared_exponent>() && halfstep::check_layout<halfstep::fp8_axis>());
static_assert(halfstep::int8_axis::name == "int8_axiswise" && halfstep::int8_axis::grid::name == "int8" &&
              halfstep::int8_axis::geometry::name == "row");
static_assert(halfstep::fp8_block<32>::grid::name == "e4m3" && halfstep::fp8_block<32>::geometry::side == 32);

TEST(Scaled, RowsOfFp8HaveAScaleEach) {
  using halfstep::fp8_axis;
  extents2 const e{5, 64};
  auto const w = halfstep_test::noise(e);
  auto const q = halfstep::quantizer<fp8_axis>()(serial{}, halfstep::host_view<float const>(w.view(e)));
  ASSERT_EQ(q.groups().extents(), (extents2{5, 1}));
  for (index_t row = 0; row < e.rows; ++row) {
    float amax = 0.0f;
    for (index_t k = 0; k < e.columns; ++k) amax = std::fmax(amax, std::fabs(w[row * e.columns + k]));
    EXPECT_EQ(q.groups()(row, 0), amax / 448.0f);
    for (index_t k = 0; k < e.columns; ++k)
      EXPECT_EQ(q.codes()(row, k), halfstep::to_float8_e4m3(w[row * e.columns + k] / q.groups()(row, 0)));
  }
  EXPECT_EQ(fp8_axis::fit({0.0f}), 1e-30f);
}

TEST(Scaled, WhatIsStoredForAGroupNeedNotBeItsScale) {
  extents2 const e{3, 8};
  auto const w = halfstep_test::noise(e);
  auto const q = halfstep::quantizer<shared_exponent>()(serial{}, halfstep::host_view<float const>(w.view(e)));
  auto const plain = halfstep::dequantize(serial{}, q);
  for (index_t row = 0; row < e.rows; ++row) {
    float amax = 0.0f;
    for (index_t k = 0; k < e.columns; ++k) amax = std::fmax(amax, std::fabs(w[row * 8 + k]));
    float const scale = std::ldexp(1.0f, q.groups()(row, 0));
    EXPECT_GE(7.0f * scale, amax);
    EXPECT_LT(3.5f * scale, amax);
    for (index_t k = 0; k < e.columns; ++k) {
      EXPECT_EQ(plain[row * 8 + k], static_cast<float>(q.codes()(row, k)) * scale);
      EXPECT_LE(std::fabs(plain[row * 8 + k] - w[row * 8 + k]), 0.5f * scale);
    }
  }
}

TEST(Scaled, TransposesAsItsGeometryDoes) {
  using halfstep::transpose_of;
  using halfstep::transposed;
  static_assert(std::is_same_v<transpose_of<halfstep::int8_block<16>>::type, halfstep::int8_block<16>>);
  static_assert(std::is_same_v<transpose_of<halfstep::fp8_block<64>>::type, halfstep::fp8_block<64>>);
  static_assert(std::is_same_v<transpose_of<halfstep::int8_tensor>::type, halfstep::int8_tensor>);
  static_assert(std::is_same_v<transpose_of<halfstep::fp8_tensor>::type, halfstep::fp8_tensor>);
  static_assert(std::is_same_v<transpose_of<halfstep::fp16>::type, halfstep::fp16>);
  static_assert(std::is_same_v<transpose_of<shared_exponent>::type, transposed<shared_exponent>>);
  static_assert(std::is_same_v<transpose_of<transposed<shared_exponent>>::type, shared_exponent>);
  extents2 const e{6, 9};
  auto const w = halfstep_test::noise(e);
  auto const q = halfstep::quantizer<halfstep::fp8_axis>()(serial{}, halfstep::host_view<float const>(w.view(e)));
  auto const straight = halfstep::dequantize(serial{}, q);
  auto const turned = halfstep::dequantize(serial{}, halfstep::transpose(serial{}, q));
  for (index_t row = 0; row < e.rows; ++row)
    for (index_t column = 0; column < e.columns; ++column)
      EXPECT_EQ(turned[column * e.rows + row], straight[row * e.columns + column]);
}

}  // namespace
