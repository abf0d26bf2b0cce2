// The least that a layout written by hand has to be, through everything that takes one.
#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include <halfstep/halfstep.hpp>
#include <halfstep/recipe/format_table.hpp>

#include "../support/minimal_layout.hpp"
#include "../support/weights.hpp"

namespace {

using halfstep::extents2;
using halfstep::host_buffer;
using halfstep::host_view;
using halfstep::index_t;
using halfstep::nearest;
using halfstep::serial;
using halfstep::stochastic;
using halfstep::threads;
using halfstep_test::minimal_layout;
using halfstep_test::noise;

constexpr extents2 shape{60, 64};

/// What a pair of rows is stored in units of, computed anew.
double step_of(host_buffer<float> const& w, index_t pair) {
  float amax = 0.0f;
  for (index_t i = 0; i < 2 * shape.columns; ++i) amax = std::fmax(amax, std::fabs(w[2 * pair * shape.columns + i]));
  double step = 1.0;
  while (7.0 * step < static_cast<double>(amax)) step *= 2.0;
  while (7.0 * step / 2.0 >= static_cast<double>(amax)) step /= 2.0;
  return step;
}

/// Expects what is stored to be within `steps` of `w`.
template <class Tensor>
void expect_near(Tensor const& q, host_buffer<float> const& w, double steps) {
  auto const plain = halfstep::dequantize(serial{}, q);
  for (index_t i = 0; i < shape.count(); ++i)
    ASSERT_NEAR(plain[i], w[i], steps * step_of(w, i / shape.columns / 2) * 1.0001) << i;
}

TEST(MinimalLayout, GoesThroughEveryKernel) {
  auto const w = noise(shape);
  std::vector<halfstep::value_range> ranges(30);
  std::vector<std::int16_t> groups(30);
  std::vector<std::int8_t> codes(static_cast<std::size_t>(shape.count()));
  std::vector<float> back(codes.size());
  auto const g = halfstep::as_view(groups, {30, 1});
  halfstep::group_range<minimal_layout>(threads(2), w.view(shape), halfstep::as_view(ranges, {30, 1}));
  halfstep::fit_groups<minimal_layout>(halfstep::as_view(ranges, {30, 1}), g);
  for (index_t pair = 0; pair < 30; ++pair)
    ASSERT_EQ(std::ldexp(1.0, groups[static_cast<std::size_t>(pair)]), step_of(w, pair)) << pair;
  halfstep::quantize<minimal_layout>(threads(2), w.view(shape), g, halfstep::as_view(codes, shape), nearest{});
  halfstep::dequantize<minimal_layout>(threads(2), halfstep::as_view(codes, shape), g, halfstep::as_view(back, shape));
  double square = 0.0;
  for (index_t i = 0; i < shape.count(); ++i) {
    double const off = static_cast<double>(w[i]) - static_cast<double>(back[static_cast<std::size_t>(i)]);
    ASSERT_LE(std::fabs(off), 0.5001 * step_of(w, i / shape.columns / 2));
    square += off * off;
  }
  auto const found =
      halfstep::total(halfstep::measure_residual<minimal_layout>(threads(2), w.view(shape), halfstep::as_view(codes, shape), g));
  EXPECT_NEAR(found.error_square / square, 1.0, 1e-5);
}

TEST(MinimalLayout, GoesThroughEveryQuantizer) {
  auto const w = noise(shape);
  expect_near(halfstep::quantizer<minimal_layout>()(threads(2), w.view(shape)), w, 0.5);
  expect_near(halfstep::quantizer<minimal_layout, stochastic>()(threads(2), w.view(shape)), w, 1.0);
  halfstep::quantizer<minimal_layout, nearest, halfstep::regular_hadamard> const turned({}, {16});
  auto const plain = halfstep::dequantize(serial{}, turned(threads(2), w.view(shape)));
  halfstep::two_sided_hadamard const mixing(halfstep::philox(1), shape);
  auto const mixed = halfstep::dequantize(serial{}, halfstep::quantizer<minimal_layout, nearest, halfstep::two_sided_hadamard>(
                                                        {}, mixing)(threads(2), w.view(shape)));
  for (auto const* const found : {&plain, &mixed}) {
    double off = 0.0, size = 0.0;
    for (index_t i = 0; i < shape.count(); ++i) {
      off += std::pow(static_cast<double>((*found)[i] - w[i]), 2);
      size += std::pow(static_cast<double>(w[i]), 2);
    }
    EXPECT_LT(off, size / 10.0);
  }
}

TEST(MinimalLayout, GoesThroughEveryOperation) {
  auto const w = noise(shape), x = noise({3, 64}, 2), z = noise({3, 60}, 3), bias = noise({1, 60}, 4);
  auto q = halfstep::quantizer<minimal_layout>()(serial{}, w.view(shape));
  auto const plain = halfstep::dequantize(serial{}, q);
  expect_near(halfstep::copy(threads(2), q), w, 0.5);
  host_buffer<float> y(180), back(192), sum(192);
  halfstep::linear(threads(2), x.view({3, 64}), q, bias.view({1, 60}), y.view({3, 60}));
  halfstep::matmul(threads(2), z.view({3, 60}), q, back.view({3, 64}));
  halfstep::addmm(threads(2), x.view({3, 64}), z.view({3, 60}), q, sum.view({3, 64}));
  for (index_t b = 0; b < 3; ++b) {
    for (index_t row = 0; row < 60; ++row) {
      double expected = bias[row];
      for (index_t k = 0; k < 64; ++k) expected += static_cast<double>(x[b * 64 + k]) * static_cast<double>(plain[row * 64 + k]);
      ASSERT_NEAR(y[b * 60 + row], expected, 1e-6);
    }
    for (index_t k = 0; k < 64; ++k) {
      double expected = 0.0;
      for (index_t row = 0; row < 60; ++row)
        expected += static_cast<double>(z[b * 60 + row]) * static_cast<double>(plain[row * 64 + k]);
      ASSERT_NEAR(back[b * 64 + k], expected, 1e-6);
      ASSERT_NEAR(sum[b * 64 + k], expected + static_cast<double>(x[b * 64 + k]), 1e-6);
    }
  }
  auto const turned = halfstep::dequantize(serial{}, halfstep::transpose(threads(2), q));
  for (index_t row = 0; row < 60; ++row)
    for (index_t k = 0; k < 64; ++k) ASSERT_EQ(turned[k * 60 + row], plain[row * 64 + k]);
  std::vector<float> stored(static_cast<std::size_t>(shape.count()));
  halfstep::dequantize_as_source(serial{}, q, std::as_writable_bytes(std::span(stored)));
  EXPECT_TRUE(std::equal(stored.begin(), stored.end(), plain.begin()));
  auto const bent = halfstep::dequantize(serial{}, halfstep::gelu(threads(2), q));
  for (index_t i = 0; i < shape.count(); ++i) ASSERT_NEAR(bent[i], halfstep::gelu_erf{}(plain[i]), 0.01);
  EXPECT_EQ(halfstep::view(halfstep::copy(serial{}, q), shape).extents(), shape);
  halfstep::add_in_place(threads(2), q, w.view(shape));
  auto const doubled = halfstep::dequantize(serial{}, q);
  for (index_t i = 0; i < shape.count(); ++i) ASSERT_NEAR(doubled[i], plain[i] + w[i], 0.02);
}

TEST(MinimalLayout, IsAFormatWithEveryKernelOfATable) {
  auto const w = noise(shape);
  auto const rows = halfstep::make_format<minimal_layout, nearest, stochastic>();
  halfstep::format const& format = rows[0].format;
  EXPECT_EQ(format.name, "pairs_of_rows");
  EXPECT_EQ(format.geometry, "group");
  EXPECT_EQ(format.codes, halfstep::dtype::i8);
  EXPECT_EQ(format.scales, halfstep::dtype::i16);
  EXPECT_FALSE(format.fits({61, 64}));
  EXPECT_EQ(format.group_rows(shape), 2);
  auto const expected = halfstep::quantizer<minimal_layout>()(serial{}, w.view(shape));
  std::vector<std::int16_t> groups(30);
  std::vector<std::int8_t> codes(static_cast<std::size_t>(shape.count()));
  std::vector<float> back(codes.size());
  rows[0].from_f32.fit({w.data(), shape}, groups.data());
  rows[0].from_f32.encode({w.data(), shape}, groups.data(), 1, codes.data());
  rows[0].decode(codes.data(), groups.data(), shape, back.data());
  EXPECT_TRUE(std::equal(codes.begin(), codes.end(), expected.codes().data()));
  auto const plain = halfstep::dequantize(serial{}, expected);
  EXPECT_TRUE(std::equal(back.begin(), back.end(), plain.begin()));
}

}  // namespace
