// FP16, BF16 and FP8 against tables made by other means, over every pattern of the narrow type and many of the wide one.

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <vector>

#include <gtest/gtest.h>

#include <halfstep/core/source.hpp>
#include <halfstep/exec/threads.hpp>

namespace {

using halfstep::bfloat16;
using halfstep::bits;
using halfstep::float16;
using halfstep::float8_e4m3;
using halfstep::float8_e5m2;
using halfstep::float_of;
using halfstep::index_t;

bool same_number(float a, float b) { return bits(a) == bits(b) || (a != a && b != b); }

/// The number of a small binary format by its definition: sign, exponent and fraction with a bias, in FP64.
struct small_format {
  int exponent_bits, fraction_bits, bias;

  double value(std::uint32_t pattern) const {
    std::uint32_t const fraction = pattern & ((1u << fraction_bits) - 1);
    int const exponent = static_cast<int>(pattern >> fraction_bits & ((1u << exponent_bits) - 1));
    double const sign = pattern >> (exponent_bits + fraction_bits) & 1u ? -1.0 : 1.0;
    double const significand = std::ldexp(fraction, -fraction_bits) + (exponent == 0 ? 0.0 : 1.0);
    return sign * std::ldexp(significand, std::max(exponent, 1) - bias);
  }
};

constexpr small_format half{5, 10, 15}, brain{8, 7, 127}, e4m3{4, 3, 7}, e5m2{5, 2, 15};

template <class T>
void expect_widens(small_format const& format, std::uint32_t patterns, std::uint32_t infinity, std::uint32_t first_nan) {
  std::uint32_t const sign = patterns / 2;
  for (std::uint32_t p = 0; p < patterns; ++p) {
    float const x = widen(static_cast<T>(p));
    if ((p & (sign - 1)) >= first_nan)
      ASSERT_TRUE(x != x) << p;
    else if ((p & (sign - 1)) == infinity)
      ASSERT_EQ(x, p & sign ? -std::numeric_limits<float>::infinity() : std::numeric_limits<float>::infinity()) << p;
    else
      ASSERT_TRUE(same_number(x, static_cast<float>(format.value(p)))) << p;
  }
}

TEST(Conversions, WidenEveryNarrowNumberExactly) {
  expect_widens<float16>(half, 0x10000, 0x7c00, 0x7c01);
  expect_widens<bfloat16>(brain, 0x10000, 0x7f80, 0x7f81);
  expect_widens<float8_e4m3>(e4m3, 0x100, 0xff, 0x7f);
  expect_widens<float8_e5m2>(e5m2, 0x100, 0x7c, 0x7d);
}

TEST(Conversions, BringEveryNarrowNumberBack) {
  halfstep::source_types::for_each([]<class T>() {
    if constexpr (sizeof(T) <= 2) {
      for (std::uint32_t p = 0; p < 1u << (8 * sizeof(T)); ++p) {
        T const x = static_cast<T>(p);
        float const wide = widen(x);
        T const back = halfstep::narrow<T>(wide);
        if (wide != wide) {
          ASSERT_TRUE(widen(back) != widen(back)) << p;
        } else {
          ASSERT_EQ(back, x) << p;
        }
      }
    }
  });
}

/// The nearest of `finite` ascending numbers to |x|, ties to the even pattern, by a search.
std::uint32_t nearest_pattern(std::vector<double> const& finite, double x) {
  auto const above = static_cast<std::size_t>(std::lower_bound(finite.begin(), finite.end(), x) - finite.begin());
  if (above == 0) return 0;
  double const up = finite[above] - x, down = x - finite[above - 1];
  bool const is_up = up < down || (up == down && above % 2 == 0);
  return static_cast<std::uint32_t>(is_up ? above : above - 1);
}

/// Narrows FP32 numbers around and between all numbers of the format, of both signs.
template <class T>
void expect_narrows(small_format const& format, std::uint32_t finite_count, std::uint32_t beyond) {
  std::uint32_t const sign = sizeof(T) == 2 ? 0x8000u : 0x80u;
  std::vector<double> finite;
  for (std::uint32_t p = 0; p <= finite_count; ++p) finite.push_back(format.value(p));  // the last one is the first beyond
  auto const expect = [&](float x) {
    std::uint32_t const magnitude = static_cast<double>(x) >= finite.back() ? finite_count : nearest_pattern(finite, x);
    std::uint32_t const expected = magnitude >= finite_count ? beyond : magnitude;
    ASSERT_EQ(static_cast<std::uint32_t>(halfstep::narrow<T>(x)), expected) << x;
    ASSERT_EQ(static_cast<std::uint32_t>(halfstep::narrow<T>(-x)), expected | sign) << -x;
  };
  for (std::size_t p = 0; p + 1 < finite.size(); ++p) {
    float const low = static_cast<float>(finite[p]), middle = static_cast<float>((finite[p] + finite[p + 1]) / 2);
    for (float const x : {low, middle, (low + middle) / 2}) {
      expect(x);
      expect(std::nextafter(x, 1e38f));
      if (x > 0) expect(std::nextafter(x, 0.0f));
    }
  }
  expect(std::numeric_limits<float>::max());
  expect(std::numeric_limits<float>::infinity());
  expect(std::numeric_limits<float>::denorm_min());
  EXPECT_TRUE(widen(halfstep::narrow<T>(std::nanf(""))) != widen(halfstep::narrow<T>(std::nanf(""))));
}

TEST(Conversions, NarrowToTheNearestTiesToEven) {
  expect_narrows<float16>(half, 0x7c00, 0x7c00);
  expect_narrows<float8_e4m3>(e4m3, 0x7f, 0x7e);  // no infinity: everything beyond 448 is 448
  expect_narrows<float8_e5m2>(e5m2, 0x7c, 0x7c);
}

TEST(Conversions, RoundEveryFp32ToBf16LikeTheAverageOfItsNeighbours) {
  // The upper half of an FP32 is a BF16; which of the two around x is nearer is a question about the lower half alone.
  halfstep::threads{}.for_each(1 << 16, [](index_t upper) {
    for (std::uint32_t lower = 0; lower < 0x10000; lower += lower < 0x7f00 || lower > 0x80ff ? 251 : 1) {
      std::uint32_t const pattern = static_cast<std::uint32_t>(upper) << 16 | lower;
      float const x = float_of(pattern);
      auto const actual = static_cast<std::uint32_t>(halfstep::to_bfloat16(x));
      if (x != x) {
        if (!(widen(static_cast<bfloat16>(actual)) != widen(static_cast<bfloat16>(actual))))
          throw std::runtime_error(std::to_string(pattern));
        continue;
      }
      bool const up = lower > 0x8000 || (lower == 0x8000 && upper % 2 == 1);
      if (actual != static_cast<std::uint32_t>(upper) + (up ? 1u : 0u)) throw std::runtime_error(std::to_string(pattern));
    }
  });
}

#if defined(__FLT16_MAX__) && defined(__F16C__)
TEST(Conversions, RoundEveryFp32ToFp16LikeTheCompiler) {
  halfstep::threads{}.for_each(1 << 16, [](index_t upper) {
    for (std::uint32_t lower = 0; lower < 0x10000; ++lower) {
      float const x = float_of(static_cast<std::uint32_t>(upper) << 16 | lower);
      if (x != x) return;
      auto const expected = __builtin_bit_cast(std::uint16_t, static_cast<_Float16>(x));
      if (static_cast<std::uint16_t>(halfstep::to_float16(x)) != expected) throw std::runtime_error(std::to_string(x));
    }
  });
}
#endif

TEST(Conversions, RoundFp64ToFp32) {
  EXPECT_EQ(halfstep::widen(1.0 + 0x1p-25), 1.0f);
  EXPECT_EQ(halfstep::widen(1e300), std::numeric_limits<float>::infinity());
  EXPECT_EQ(halfstep::narrow<double>(0.1f), static_cast<double>(0.1f));
}

TEST(Conversions, AreFoundByTheNameOfTheType) {
  std::vector<std::string> found;
  for (auto const type : {halfstep::dtype::f64, halfstep::dtype::f32, halfstep::dtype::f16, halfstep::dtype::bf16,
                          halfstep::dtype::f8_e4m3, halfstep::dtype::f8_e5m2})
    halfstep::with_source_type(
        type, [&]<class T>(std::type_identity<T>) { found.emplace_back(halfstep::name_of(halfstep::source_traits<T>::type)); });
  EXPECT_EQ(found, (std::vector<std::string>{"F64", "F32", "F16", "BF16", "F8_E4M3", "F8_E5M2"}));
  EXPECT_THROW(halfstep::with_source_type(halfstep::dtype::i64, [](auto) {}), halfstep::value_error);
}

}  // namespace
