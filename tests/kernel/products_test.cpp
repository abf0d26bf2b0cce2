// Products, sums, element types and activations.

#include <cmath>
#include <cstdint>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include <halfstep/exec/serial.hpp>
#include <halfstep/exec/threads.hpp>
#include <halfstep/kernel/for_each_index.hpp>
#include <halfstep/kernel/gelu.hpp>
#include <halfstep/kernel/gemm.hpp>
#include <halfstep/kernel/linear.hpp>
#include <halfstep/kernel/sum.hpp>
#include <halfstep/kernel/widen.hpp>

#include "../support/weights.hpp"

namespace {

using halfstep::extents2;
using halfstep::host_buffer;
using halfstep::host_view;
using halfstep::index_t;
using halfstep::serial;
using halfstep::threads;
using halfstep_test::noise;

TEST(ForEachIndex, CallsEveryIndexOnce) {
  for (index_t const count : {0, 1, 4096, 10001}) {
    std::vector<int> calls(static_cast<std::size_t>(count));
    halfstep::for_each_index(threads(3), count, [&](index_t i) { ++calls[static_cast<std::size_t>(i)]; });
    for (int const c : calls) ASSERT_EQ(c, 1);
  }
}

TEST(Widen, AndNarrowGoThroughEverySourceType) {
  extents2 const e{301, 517};
  halfstep::source_types::for_each([&]<class T>() {
    auto const x = noise<T>(e);
    host_buffer<float> const wide(e.count());
    host_buffer<T> const back(e.count());
    halfstep::widen(threads(2), host_view<T const>(x.view(e)), wide.view(e));
    halfstep::narrow(threads(2), host_view<float const>(wide.view(e)), back.view(e));
    for (index_t i = 0; i < e.count(); ++i) {
      ASSERT_EQ(wide[i], halfstep::widen(x[i]));
      ASSERT_EQ(back[i], x[i]);
    }
  });
}

TEST(Linear, IsTheProductWithTheTransposeOverManyTiles) {
  extents2 const in{259, 67}, out{259, 300};
  auto const x = noise(in, 1), w = noise({300, 67}, 2), bias = noise({1, 300}, 3);
  host_buffer<float> const y(out.count()), parallel(out.count());
  halfstep::linear(serial{}, x.view(in), w.view({300, 67}), bias.view({1, 300}), y.view(out));
  halfstep::linear(threads(2), x.view(in), w.view({300, 67}), bias.view({1, 300}), parallel.view(out));
  for (index_t row = 0; row < out.rows; ++row)
    for (index_t column = 0; column < out.columns; ++column) {
      double sum = bias[column];
      for (index_t k = 0; k < 67; ++k) sum += static_cast<double>(x[row * 67 + k]) * static_cast<double>(w[column * 67 + k]);
      ASSERT_NEAR(y[row * 300 + column], sum, 1e-7);
      ASSERT_EQ(y[row * 300 + column], parallel[row * 300 + column]);
    }
}

TEST(Linear, TakesOneRowAndNoBias) {
  auto const x = noise({1, 33}, 1), w = noise({5, 33}, 2);
  host_buffer<float> const y(5);
  halfstep::linear(serial{}, x.view({1, 33}), w.view({5, 33}), {}, y.view({1, 5}));
  for (index_t i = 0; i < 5; ++i) {
    double sum = 0;
    for (index_t k = 0; k < 33; ++k) sum += static_cast<double>(x[k]) * static_cast<double>(w[i * 33 + k]);
    EXPECT_NEAR(y[i], sum, 1e-7);
  }
  EXPECT_THROW(halfstep::linear(serial{}, x.view({1, 33}), w.view({5, 33}), {}, y.view({5, 1})), halfstep::shape_error);
  EXPECT_THROW(halfstep::linear(serial{}, x.view({1, 33}), w.view({1, 165}), {}, y.view({1, 5})), halfstep::shape_error);
  EXPECT_THROW(halfstep::linear(serial{}, x.view({1, 33}), w.view({5, 33}), x.view({1, 33}), y.view({1, 5})),
               halfstep::shape_error);
}

TEST(Gemm, IsTheProductOverManyTilesForEveryNumberOfThreads) {
  auto const a = noise({300, 123}, 1), b = noise({123, 270}, 2);
  host_buffer<float> const c(300 * 270), parallel(300 * 270);
  halfstep::gemm(serial{}, a.view({300, 123}), b.view({123, 270}), c.view({300, 270}));
  halfstep::gemm(threads(3), a.view({300, 123}), b.view({123, 270}), parallel.view({300, 270}));
  for (index_t row = 0; row < 300; ++row)
    for (index_t column = 0; column < 270; ++column) {
      double sum = 0;
      for (index_t k = 0; k < 123; ++k) sum += static_cast<double>(a[row * 123 + k]) * static_cast<double>(b[k * 270 + column]);
      ASSERT_NEAR(c[row * 270 + column], sum, 1e-6);
      ASSERT_EQ(c[row * 270 + column], parallel[row * 270 + column]);
    }
  EXPECT_THROW(halfstep::gemm(serial{}, a.view({123, 300}), b.view({123, 270}), c.view({300, 270})), halfstep::shape_error);
}

TEST(Gemm, TakesEitherOperandTransposed) {
  using halfstep::operand;
  auto const a = noise({300, 123}, 1), b = noise({123, 270}, 2);
  host_buffer<float> const at(a.size()), bt(b.size()), expected(300 * 270), c(300 * 270);
  for (index_t i = 0; i < 300; ++i)
    for (index_t k = 0; k < 123; ++k) at[k * 300 + i] = a[i * 123 + k];
  for (index_t k = 0; k < 123; ++k)
    for (index_t j = 0; j < 270; ++j) bt[j * 123 + k] = b[k * 270 + j];
  extents2 const out{300, 270};
  halfstep::gemm(serial{}, a.view({300, 123}), b.view({123, 270}), expected.view(out));
  for (auto const& [how_a, how_b] :
       {std::pair{operand::plain, operand::transposed}, std::pair{operand::transposed, operand::plain},
        std::pair{operand::transposed, operand::transposed}}) {
    host_view<float const> const left = how_a == operand::plain ? a.view({300, 123}) : at.view({123, 300});
    host_view<float const> const right = how_b == operand::plain ? b.view({123, 270}) : bt.view({270, 123});
    halfstep::gemm(threads(2), left, how_a, right, how_b, c.view(out));
    for (index_t i = 0; i < c.size(); ++i) ASSERT_NEAR(c[i], expected[i], 1e-5f);
  }
  EXPECT_THROW(halfstep::gemm(serial{}, a.view({300, 123}), operand::transposed, b.view({123, 270}), operand::plain, c.view(out)),
               halfstep::shape_error);
}

TEST(Sum, IsExactWhereFp64IsAndTheSameOnEveryExecutor) {
  extents2 const e{1001, 333};
  auto const x = noise<halfstep::bfloat16>(e);
  host_view<halfstep::bfloat16 const> const view = x.view(e);
  double sum = 0, squares = 0;  // multiples of 2^-30 or so: every order of addition is exact
  for (halfstep::bfloat16 const v : x) {
    sum += static_cast<double>(widen(v));
    squares += static_cast<double>(widen(v)) * static_cast<double>(widen(v));
  }
  EXPECT_NEAR(halfstep::sum(serial{}, view), sum, 1e-9);
  EXPECT_NEAR(halfstep::sum_of_squares(serial{}, view), squares, 1e-9 * squares);
  EXPECT_EQ(halfstep::sum(serial{}, view), halfstep::sum(threads(3), view));
  EXPECT_EQ(halfstep::sum_of_squares(serial{}, view), halfstep::sum_of_squares(threads(2), view));
  EXPECT_EQ(halfstep::sum(serial{}, host_view<float const>()), 0.0);
}

TEST(Gelu, HasTheTextbookValuesOfBothForms) {
  std::vector<float> const x{-3.0f, -1.0f, -0.5f, 0.0f, 0.5f, 1.0f, 3.0f};
  std::vector<double> const erf{-0.00404951, -0.15865526, -0.15426877, 0.0, 0.34573123, 0.84134474, 2.99595031};
  std::vector<double> const tanh{-0.00363739, -0.15880801, -0.15428599, 0.0, 0.34571401, 0.84119199, 2.99636261};
  std::vector<float> y(7);
  host_view<float const> const in(x.data(), {1, 7});
  halfstep::gelu(serial{}, in, {y.data(), {1, 7}});
  for (std::size_t i = 0; i < 7; ++i) EXPECT_NEAR(y[i], erf[i], 1e-6) << x[i];
  halfstep::gelu(threads(2), in, host_view<float>(y.data(), {1, 7}), halfstep::gelu_tanh{});
  for (std::size_t i = 0; i < 7; ++i) EXPECT_NEAR(y[i], tanh[i], 1e-6) << x[i];
}

}  // namespace
