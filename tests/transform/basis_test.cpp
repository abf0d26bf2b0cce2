// Bases made of any transforms: weights, inputs and what is known of inputs go through them together.
#include <halfstep/transform/basis.hpp>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <string_view>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <halfstep/exec/serial.hpp>
#include <halfstep/exec/threads.hpp>
#include <halfstep/transform/hadamard.hpp>
#include <halfstep/transform/smoothing.hpp>
#include <halfstep/transform/two_sided_hadamard.hpp>

#include "../support/files.hpp"
#include "../support/weights.hpp"

namespace {

using halfstep::basis;
using halfstep::bfloat16;
using halfstep::dtype;
using halfstep::extents2;
using halfstep::host_buffer;
using halfstep::host_view;
using halfstep::index_t;
using halfstep::regular_hadamard;
using halfstep::serial;
using halfstep::smoothing;
using halfstep::two_sided_hadamard;
using halfstep_test::noise;

constexpr extents2 shape{24, 48};

/// A transform of somebody else, with what the concept asks for and nothing more: columns in reverse order.
struct reversed_columns {
  static constexpr std::string_view name = "reversed";
  static bool fits(extents2 e) { return e.columns > 1; }
  template <halfstep::host_executor Executor>
  void apply(Executor const& ex, host_view<float> w) const {
    ex.for_each(w.rows(), [&](index_t row) { std::reverse(w.row(row), w.row(row) + w.columns()); });
  }
  template <halfstep::host_executor Executor>
  void invert(Executor const& ex, host_view<float> w) const {
    apply(ex, w);
  }
  template <halfstep::host_executor Executor>
  void apply_to_input(Executor const& ex, host_view<float> x) const {
    apply(ex, x);
  }
};

smoothing factors() {
  std::vector<float> values;
  for (index_t j = 0; j < shape.columns; ++j) values.push_back(0.5f + 0.25f * static_cast<float>(j % 7));
  return smoothing(std::move(values));
}

template <class... Transforms>
basis basis_of(Transforms const&... transforms) {
  basis all;
  (all.append(transforms), ...);
  return all;
}

struct any_basis : testing::TestWithParam<basis> {};

INSTANTIATE_TEST_SUITE_P(Bases, any_basis,
                         testing::Values(basis_of(), basis_of(regular_hadamard{16}), basis_of(factors()),
                                         basis_of(factors(), regular_hadamard{4}), basis_of(reversed_columns{}),
                                         basis_of(reversed_columns{}, factors(), regular_hadamard{16}),
                                         basis_of(two_sided_hadamard(halfstep::philox(3), shape)),
                                         basis_of(factors(), two_sided_hadamard(halfstep::philox(4), shape))));

/// x W^T in FP64.
std::vector<double> product(host_view<float const> x, host_view<float const> w) {
  std::vector<double> y;
  for (index_t i = 0; i < x.rows(); ++i)
    for (index_t r = 0; r < w.rows(); ++r)
      y.push_back(std::inner_product(x.row(i), x.row(i) + x.columns(), w.row(r), 0.0, std::plus<>(),
                                     [](double a, double b) { return a * b; }));
  return y;
}

host_buffer<float> in_basis(basis const& b, host_buffer<float> const& w) {
  host_buffer<float> memory(b.stored(shape).count());
  std::copy(w.begin(), w.end(), memory.begin());
  b.apply_whole(halfstep::threads(3), memory.data(), shape);
  return memory;
}

TEST_P(any_basis, KeepsTheProductsOfInputsAndWeightAndComesBack) {
  auto const& b = GetParam();
  ASSERT_TRUE(b.fits(shape));
  auto const w = noise(shape, 1);
  auto const x = noise({5, shape.columns}, 2);
  auto const turned = in_basis(b, w);
  auto const inputs = b.inputs(serial{}, host_view<float const>(x.view({5, shape.columns})));
  auto const expected = product(x.view({5, shape.columns}), w.view(shape));
  extents2 const e = b.stored(shape);
  if (!b.mixes_rows()) {
    auto const found = product({inputs.data(), {5, e.columns}}, turned.view(e));
    for (std::size_t i = 0; i < expected.size(); ++i) EXPECT_NEAR(found[i], expected[i], 1e-3);
  } else {  // rows mix: the products come out rotated, and keep their length
    double length = 0.0, before = 0.0;
    for (double const y : product({inputs.data(), {5, e.columns}}, turned.view(e))) length += y * y;
    for (double const y : expected) before += y * y;
    EXPECT_NEAR(length, before, 1e-4 * before);
  }
  host_buffer<float> back(e.count());
  std::copy(turned.begin(), turned.end(), back.begin());
  b.invert_whole(serial{}, back.data(), shape);
  for (index_t i = 0; i < shape.count(); ++i) EXPECT_NEAR(back[i], w[i], 1e-5);
}

TEST_P(any_basis, TurnsMomentsIntoThoseOfItsInputs) {
  auto const& b = GetParam();
  auto const x = noise({70, shape.columns}, 3);
  auto const gram = [](host_view<float const> rows) {
    host_buffer<float> h(rows.columns() * rows.columns());
    for (index_t i = 0; i < rows.columns(); ++i)
      for (index_t j = 0; j < rows.columns(); ++j) {
        double sum = 0.0;
        for (index_t r = 0; r < rows.rows(); ++r) sum += static_cast<double>(rows(r, i)) * static_cast<double>(rows(r, j));
        h[i * rows.columns() + j] = static_cast<float>(sum);
      }
    return h;
  };
  auto const inputs = b.inputs(serial{}, host_view<float const>(x.view({70, shape.columns})));
  index_t const size = b.stored(shape).columns;
  auto const expected = gram({inputs.data(), {70, size}});
  auto const found = b.moments(halfstep::threads(2), gram(x.view({70, shape.columns})), shape.columns);
  ASSERT_EQ(found.size(), size * size);
  float const largest = *std::max_element(expected.begin(), expected.end());
  for (index_t i = 0; i < found.size(); ++i) ASSERT_NEAR(found[i], expected[i], 3e-6f * largest) << i;
}

TEST_P(any_basis, OfRowsTurnsBlocksOfMomentsBitForBitAsTheWhole) {
  auto const b = GetParam().rows_alone();
  index_t const n = shape.columns, side = b.column_group(n);
  ASSERT_EQ(n % side, 0);
  host_buffer<float> square(n * n);
  for (index_t i = 0; i < n; ++i)
    for (index_t j = 0; j < n; ++j) square[i * n + j] = 1.0f / static_cast<float>(1 + i + j);
  host_buffer<float> block(side * side), other(side * side);
  for (index_t first = 0; first < n; first += side) {
    for (index_t i = 0; i < side; ++i)
      for (index_t j = 0; j < side; ++j) block[i * side + j] = square[(first + i) * n + first + j];
    b.apply_to_moments(serial{}, first, block.view({side, side}), other.view({side, side}));
    host_buffer<float> copy(n * n);
    std::copy(square.begin(), square.end(), copy.begin());
    auto const whole = b.moments(serial{}, std::move(copy), n);
    for (index_t i = 0; i < side; ++i) ASSERT_EQ(block[i * side + i], whole[(first + i) * n + first + i]) << first << ", " << i;
  }
}

TEST(Basis, OfRowsIsWhatItsTransformsDoOneAfterTheOther) {
  auto const w = noise<bfloat16>(shape, 5);
  host_buffer<float> expected(shape.count()), found(shape.count());
  halfstep::widen(serial{}, host_view<bfloat16 const>(w.view(shape)), expected.view(shape));
  factors().apply(serial{}, expected.view(shape));
  regular_hadamard{16}.apply(serial{}, expected.view(shape));
  auto const both = basis_of(factors(), regular_hadamard{16});
  both.apply(serial{}, dtype::bf16, w.data(), found.view(shape));
  EXPECT_TRUE(std::equal(found.begin(), found.end(), expected.begin()));
  EXPECT_FALSE(both.mixes_rows());
  EXPECT_EQ(both.stored(shape), shape);
}

TEST(Basis, KnowsWhichFiguresOfInputsItCanChange) {
  std::vector<float> values(static_cast<std::size_t>(shape.columns), 4.0f);
  ASSERT_TRUE(basis_of(factors()).apply_to_squares(values));
  EXPECT_EQ(values[0], 16.0f);  // 4 / 0.5^2
  ASSERT_TRUE(basis_of(factors()).apply_to_maxima(values));
  EXPECT_EQ(values[0], 32.0f);
  EXPECT_TRUE(basis().apply_to_maxima(values));
  EXPECT_EQ(values[0], 32.0f);
  EXPECT_FALSE(basis_of(regular_hadamard{4}).apply_to_maxima(values));
  EXPECT_FALSE(basis_of(reversed_columns{}).apply_to_squares(values));
}

TEST(Basis, IsEqualToOneOfEqualTransforms) {
  EXPECT_EQ(basis_of(factors(), regular_hadamard{16}), basis_of(factors(), regular_hadamard{16}));
  EXPECT_FALSE(basis_of(regular_hadamard{16}) == basis_of(regular_hadamard{4}));
  EXPECT_FALSE(basis_of(factors()) == basis());
  auto const other = basis_of(reversed_columns{});  // cannot be compared: copies are equal, others not
  EXPECT_EQ(other, basis(other));
  EXPECT_FALSE(other == basis_of(reversed_columns{}));
}

TEST(Basis, RefusesRowsAloneWhereItMixesThem) {
  auto const quip = basis_of(factors(), two_sided_hadamard(halfstep::philox(3), shape));
  EXPECT_TRUE(quip.mixes_rows());
  EXPECT_EQ(quip.stored(shape), (extents2{32, 64}));
  EXPECT_FALSE(quip.fits({24, 47}));
  host_buffer<float> rows(shape.count());
  EXPECT_THROW(quip.apply(serial{}, rows.view(shape)), halfstep::shape_error);
  EXPECT_NO_THROW(quip.rows_alone().apply(serial{}, rows.view(shape)));
  EXPECT_THROW(quip.apply_to_input(serial{}, rows.view(shape)), halfstep::shape_error);
  EXPECT_THROW(basis_of(two_sided_hadamard(halfstep::philox(3), shape), factors()), halfstep::value_error);
  ASSERT_NE(quip.find<two_sided_hadamard>(), nullptr);
  EXPECT_EQ(quip.find<two_sided_hadamard>()->original(), shape);
  EXPECT_EQ(quip.find<regular_hadamard>(), nullptr);
}

}  // namespace
