#include <halfstep/core/arithmetic.hpp>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <stdexcept>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include <halfstep/core/random.hpp>
#include <halfstep/core/source.hpp>
#include <halfstep/exec/threads.hpp>
#include <halfstep/layout/int8_axis.hpp>
#include <halfstep/rounding/nearest.hpp>

namespace {

using halfstep::bits;
using halfstep::index_t;

constexpr int scales = 10000;

/// The i-th of `scales` numbers, log-uniform from 1e-12 to 1e4, at random inside its part of the range.
float scale(index_t i) {
  float const place = static_cast<float>(i) + halfstep::unit_float(halfstep::philox(11)(static_cast<std::uint64_t>(i)).word[0]);
  return static_cast<float>(std::pow(10.0, -12.0 + 16.0 * static_cast<double>(place) / scales));
}

struct pattern_table {
  alignas(64) float x[0x10000];
};

/// All numbers of a 16-bit type that an FP32 division by the scale can meet: finite ones. Others are 0 here.
template <class T>
pattern_table const& numbers() {
  static pattern_table const table = [] {
    pattern_table t;
    for (std::uint32_t p = 0; p < 0x10000; ++p) {
      float const x = widen(static_cast<T>(p));
      t.x[p] = std::isfinite(x) ? x : 0.0f;
    }
    return t;
  }();
  return table;
}

/// How many quotients differ in a bit where neither quotient nor remainder comes near the subnormal numbers or infinity: there
/// exact_quotient promises the IEEE quotient. Above `compared` of them are compared.
template <class T>
std::pair<index_t, index_t> differing_quotients(float divisor) {
  float const reciprocal = 1.0f / divisor;
  float const* const x = numbers<T>().x;
  std::int32_t differing = 0, compared = 0;
  for (int i = 0; i < 0x10000; ++i) {
    float const exact = x[i] / divisor;
    float const magnitude = std::fabs(exact);
    bool const counts = magnitude >= 0x1p-100f && magnitude <= 0x1p+126f && std::fabs(x[i]) >= 0x1p-100f;
    compared += counts ? 1 : 0;
    differing += counts && bits(halfstep::exact_quotient(x[i], divisor, reciprocal)) != bits(exact) ? 1 : 0;
  }
  return {differing, compared};
}

/// How many codes differ from the IEEE quotient's, rounded to even and clamped, wherever that quotient is below 2^22.
template <class T>
std::pair<index_t, index_t> differing_codes(float divisor) {
  using grid = halfstep::int8_axis;
  auto const step = grid::unpack(divisor);
  float const* const x = numbers<T>().x;
  std::int32_t differing = 0, compared = 0;
  for (int i = 0; i < 0x10000; ++i) {
    float const exact = x[i] / divisor;
    float const clamped = std::min(std::max(exact, -1000.0f), 1000.0f);
    auto const expected = static_cast<std::int32_t>(std::min(std::max(std::rint(clamped), -127.0f), 127.0f));
    bool const counts = std::fabs(exact) < 0x1p+22f;
    std::int32_t const actual = halfstep::nearest{}(grid::locate(counts ? x[i] : 0.0f, step), 0);
    compared += counts ? 1 : 0;
    differing += counts && actual != expected ? 1 : 0;
  }
  return {differing, compared};
}

template <class Count>
void expect_none_differ(Count const& count, double least_share) {
  std::vector<index_t> compared(scales);
  halfstep::threads{}.for_each(scales, [&](index_t i) {
    auto const [differing, counted] = count(scale(i));
    compared[static_cast<std::size_t>(i)] = counted;
    if (differing != 0) throw std::runtime_error(std::to_string(differing) + " differ at scale " + std::to_string(i));
  });
  index_t all = 0;
  for (index_t const c : compared) all += c;
  EXPECT_GT(static_cast<double>(all), least_share * scales * 0x10000);
}

TEST(ExactQuotient, IsTheIeeeQuotientOfEveryBfloat16ByTenThousandScales) {
  expect_none_differ([](float s) { return differing_quotients<halfstep::bfloat16>(s); }, 0.75);
}

TEST(ExactQuotient, IsTheIeeeQuotientOfEveryFloat16ByTenThousandScales) {
  expect_none_differ([](float s) { return differing_quotients<halfstep::float16>(s); }, 0.9);
}

TEST(ExactQuotient, GivesTheCodeOfTheIeeeQuotientOfEveryBfloat16) {
  expect_none_differ([](float s) { return differing_codes<halfstep::bfloat16>(s); }, 0.5);
}

TEST(ExactQuotient, GivesTheCodeOfTheIeeeQuotientOfEveryFloat16) {
  expect_none_differ([](float s) { return differing_codes<halfstep::float16>(s); }, 0.5);
}

TEST(Residual, IsRoundedOnce) {
  // 3 * 0.1f is 0.3 + 1.1e-8 before rounding; x - fl(3 * 0.1f) would lose all of it.
  float const x = 3.0f * 0.1f;
  double const exact = static_cast<double>(x) - 3.0 * static_cast<double>(0.1f);
  EXPECT_EQ(halfstep::residual(x, 3.0f, 0.1f), static_cast<float>(exact));
  EXPECT_NE(exact, 0.0);
}

TEST(Halved, IsHalfOfEveryNumberEvenOfSubnormalOnes) {
  for (float const x : {1.0f, -3.5f, std::numeric_limits<float>::max(), 0x1p-149f, 0x3p-149f, -0x5p-149f, 0.0f}) {
    EXPECT_EQ(halfstep::halved(x), x / 2.0f) << x;
    float const y = 0x1p-149f;
    EXPECT_EQ(halfstep::halved(x) - y, static_cast<float>(static_cast<double>(x / 2.0f) - static_cast<double>(y))) << x;
  }
}

}  // namespace
