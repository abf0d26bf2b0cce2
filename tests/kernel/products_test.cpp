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
#include <halfstep/kernel/linear_int8.hpp>
#include <halfstep/kernel/sum.hpp>
#include <halfstep/kernel/widen.hpp>
#include <halfstep/layout/int8_axis.hpp>
#include <halfstep/layout/int8_block.hpp>
#include <halfstep/layout/int8_tensor.hpp>
#include <halfstep/linalg/gemm.hpp>
#include <halfstep/linalg/linear.hpp>

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
    host_buffer<float> wide(e.count());
    host_buffer<T> back(e.count());
    halfstep::widen(threads(2), host_view<T const>(x.view(e)), wide.view(e));
    halfstep::narrow(threads(2), host_view<float const>(wide.view(e)), back.view(e));
    for (index_t i = 0; i < e.count(); ++i) {
      ASSERT_EQ(wide[i], halfstep::widen(x[i]));
      ASSERT_EQ(back[i], x[i]);
    }
  });
}

/// Codes from -127 to 127 in an order without a pattern.
std::vector<std::int8_t> codes(index_t count, std::uint32_t seed) {
  std::vector<std::int8_t> v(static_cast<std::size_t>(count));
  for (auto& q : v) {
    seed = seed * 1664525u + 1013904223u;
    q = static_cast<std::int8_t>(static_cast<int>((seed >> 16) % 255) - 127);
  }
  return v;
}

template <class Layout>
void check_linear_int8(index_t inputs, extents2 e) {
  extents2 const g = Layout::groups(e), in{inputs, e.columns}, out{inputs, e.rows};
  auto const x = codes(in.count(), 1), w = codes(e.count(), 2);
  auto const x_scales = noise({inputs, 1}, 3), groups = noise(g, 4), bias = noise({1, e.rows}, 5);
  host_buffer<float> y(out.count()), parallel(out.count());
  auto const run = [&](auto const& ex, host_buffer<float>& to) {
    halfstep::linear_int8<Layout>(ex, {x.data(), in}, x_scales.view({inputs, 1}), {w.data(), e}, groups.view(g),
                                  bias.view({1, e.rows}), to.view(out));
  };
  run(serial{}, y);
  run(threads(3), parallel);
  for (index_t b = 0; b < inputs; ++b)
    for (index_t row = 0; row < e.rows; ++row) {
      double sum = 0.0, size = 0.0;
      for (index_t k = 0; k < e.columns; ++k) {
        double const part = static_cast<double>(x[static_cast<std::size_t>(b * e.columns + k)]) *
                            w[static_cast<std::size_t>(row * e.columns + k)] *
                            static_cast<double>(groups[Layout::group_of(e, row, k)]);
        sum += part;
        size += std::fabs(part);
      }
      double const scale = static_cast<double>(x_scales[b]);
      EXPECT_NEAR(y[b * e.rows + row], sum * scale + static_cast<double>(bias[row]), 1e-6 * (size * std::fabs(scale) + 1.0));
      EXPECT_EQ(y[b * e.rows + row], parallel[b * e.rows + row]);
    }
}

TEST(LinearInt8, IsTheProductOfWhatTheCodesStandFor) {
  check_linear_int8<halfstep::int8_axis>(5, {37, 301});
  check_linear_int8<halfstep::int8_tensor>(3, {700, 400});
  check_linear_int8<halfstep::int8_block<16>>(4, {48, 80});
  check_linear_int8<halfstep::int8_block<128>>(2, {256, 384});
}

TEST(LinearInt8, DoesNotOverflowInLongRows) {
  extents2 const e{1, 200000};
  std::vector<std::int8_t> const x(200000, 127), w(200000, -127);
  float const one = 1.0f;
  float y = 0.0f;
  halfstep::linear_int8<halfstep::int8_axis>(serial{}, {x.data(), e}, {&one, {1, 1}}, {w.data(), e}, {&one, {1, 1}}, {},
                                             {&y, {1, 1}});
  EXPECT_EQ(y, -127.0f * 127.0f * 200000.0f);
}

TEST(LinearInt8, RefusesScalesOfAnotherShape) {
  std::vector<std::int8_t> const x(32), w(64);
  std::vector<float> const scales(8), y(8);
  float out[8];
  auto const run = [&](extents2 x_scales, extents2 groups) {
    halfstep::linear_int8<halfstep::int8_axis>(serial{}, {x.data(), {2, 16}}, {scales.data(), x_scales}, {w.data(), {4, 16}},
                                               {scales.data(), groups}, {}, {out, {2, 4}});
  };
  EXPECT_NO_THROW(run({2, 1}, {4, 1}));
  EXPECT_THROW(run({1, 2}, {4, 1}), halfstep::shape_error);
  EXPECT_THROW(run({2, 1}, {1, 4}), halfstep::shape_error);
}

TEST(Linear, IsTheProductWithTheTransposeOverManyTiles) {
  extents2 const in{259, 67}, out{259, 300};
  auto const x = noise(in, 1), w = noise({300, 67}, 2), bias = noise({1, 300}, 3);
  host_buffer<float> y(out.count()), parallel(out.count());
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
  host_buffer<float> y(5);
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
  host_buffer<float> c(300 * 270), parallel(300 * 270);
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
  host_buffer<float> at(a.size()), bt(b.size()), expected(300 * 270), c(300 * 270);
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
