// The E4M3 grid against a table of its numbers that is computed from their definition.
#include <halfstep/layout/e4m3_grid.hpp>

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include <gtest/gtest.h>

#include <halfstep/core/bfloat16.hpp>
#include <halfstep/core/random.hpp>
#include <halfstep/core/source.hpp>
#include <halfstep/layout/fp8_block.hpp>
#include <halfstep/layout/fp8_tensor.hpp>
#include <halfstep/layout/transposed.hpp>

namespace {

using grid = halfstep::e4m3_grid;
using halfstep::float8_e4m3;

static_assert(halfstep::check_layout<halfstep::fp8_tensor>() && halfstep::check_layout<halfstep::fp8_block<64>>() &&
              halfstep::check_layout<halfstep::transposed<halfstep::fp8_block<16>>>());

/// The number of a code by its definition: sign, 4 bits of exponent with bias 7, 3 bits of fraction, no infinity.
double number(int code) {
  int const exponent = code >> 3 & 15;
  double const fraction = (code & 7) / 8.0;
  double const magnitude = exponent == 0 ? std::ldexp(fraction, -6) : std::ldexp(1.0 + fraction, exponent - 7);
  if ((code & 0x7f) == 0x7f) return std::numeric_limits<double>::quiet_NaN();
  return (code & 0x80) != 0 ? -magnitude : magnitude;
}

int code_of(float8_e4m3 code) { return static_cast<int>(code); }
float8_e4m3 coded(int code) { return static_cast<float8_e4m3>(code); }

/// Round to nearest by search, ties to the even code: slow, and of other operations than the grid's.
int nearest_code(double x) {
  double const magnitude = std::min(std::fabs(x), 448.0);
  int low = 0;
  while (low < 0x7e && number(low + 1) <= magnitude) ++low;
  int best = low;
  if (low < 0x7e) {
    double const below = magnitude - number(low), above = number(low + 1) - magnitude;
    if (above < below || (above == below && low % 2 == 1)) best = low + 1;
  }
  return best | (std::signbit(x) ? 0x80 : 0);
}

TEST(E4m3Grid, DecodesAllCodes) {
  auto const step = grid::unpack(0.25f);
  for (int code = 0; code < 256; ++code) {
    if ((code & 0x7f) == 0x7f) {
      EXPECT_TRUE(std::isnan(grid::decode(coded(code), step))) << code;
      continue;
    }
    EXPECT_EQ(static_cast<double>(grid::decode(coded(code), step)), 0.25 * number(code)) << code;
    EXPECT_EQ(code_of(grid::locate(grid::decode(coded(code), step), step).nearer), code);
  }
}

TEST(E4m3Grid, RoundsEveryMidpointToEvenAndItsNeighboursToTheirSide) {
  for (float const scale : {1.0f, 0.125f}) {
    auto const step = grid::unpack(scale);
    for (int code = 0; code < 0x7e; ++code)
      for (float const sign : {1.0f, -1.0f}) {
        auto const middle = static_cast<float>(0.5 * (number(code) + number(code + 1)));
        int const bit = sign < 0 ? 0x80 : 0;
        auto const at = [&](float x) { return code_of(grid::locate(sign * x * scale, step).nearer); };
        EXPECT_EQ(at(middle), (code % 2 == 0 ? code : code + 1) | bit) << code;
        EXPECT_EQ(at(std::nextafter(middle, 0.0f)), code | bit) << code;
        EXPECT_EQ(at(std::nextafter(middle, 1e9f)), (code + 1) | bit) << code;
        EXPECT_EQ(grid::locate(sign * middle * scale, step).t, 0.5f) << code;
      }
  }
}

TEST(E4m3Grid, RoundsEveryBfloat16AsDivisionAndSearchWould) {
  for (float const scale : {1.0f, 0.1f, 3.0517578e-5f, 0.0123456789f}) {
    auto const step = grid::unpack(scale);
    for (std::uint32_t bits = 0; bits < 0x10000; ++bits) {
      float const x = halfstep::widen(static_cast<halfstep::bfloat16>(bits));
      if (!std::isfinite(x) || std::fabs(x) > 1e6f * scale) continue;
      ASSERT_EQ(code_of(grid::locate(x, step).nearer), nearest_code(static_cast<double>(x / scale))) << x << " / " << scale;
    }
  }
}

TEST(E4m3Grid, BracketsNumbersBetweenNeighbours) {
  auto const step = grid::unpack(1.0f);
  halfstep::philox const random(3);
  for (std::uint64_t i = 0; i < 20000; ++i) {
    auto const words = random(i);
    float const x = std::ldexp(2.0f * halfstep::unit_float(words.word[0]) - 1.0f, static_cast<int>(words.word[1] % 20) - 11);
    auto const b = grid::locate(x, step);
    ASSERT_EQ(b.nearer, halfstep::to_float8_e4m3(x)) << x;
    if (b.t == 0.0f || std::fabs(x) > 448.0f) continue;
    float const nearer = grid::decode(b.nearer, step), farther = grid::decode(b.farther, step);
    ASSERT_TRUE(std::min(nearer, farther) < x && x < std::max(nearer, farther)) << x;
    ASSERT_EQ(std::abs((code_of(b.nearer) & 0x7f) - (code_of(b.farther) & 0x7f)), 1) << x;
    ASSERT_FLOAT_EQ(b.t, std::fabs(x - nearer) / std::fabs(farther - nearer)) << x;
    ASSERT_EQ(grid::spacing(x, step), std::fabs(farther - nearer)) << x;
  }
}

TEST(E4m3Grid, StaysOnTheGridBeyondItsEndsAndNeverMakesNan) {
  auto const step = grid::unpack(1.0f);
  for (float const x : {448.0f, 448.1f, 463.9f, 464.0f, 500.0f, 1e9f}) {
    for (float const sign : {1.0f, -1.0f}) {
      auto const b = grid::locate(sign * x, step);
      EXPECT_EQ(grid::decode(b.nearer, step), sign * 448.0f) << x;
      EXPECT_EQ(b.farther, x > 448.0f ? b.nearer : halfstep::e4m3_grid::neighbour(b.nearer, -sign)) << x;
      EXPECT_EQ(b.t, 0.0f) << x;
    }
  }
  EXPECT_EQ(code_of(grid::locate(0.0f, step).nearer), 0);
  EXPECT_EQ(code_of(grid::locate(0.0f, step).farther), 1);
  EXPECT_EQ(code_of(grid::locate(-0.0f, step).nearer), 0x80);
  float const largest = std::numeric_limits<float>::max(), smallest = std::numeric_limits<float>::denorm_min();
  EXPECT_EQ(code_of(grid::locate_far(largest, grid::unpack(smallest)).nearer), 0x7e);
  EXPECT_EQ(code_of(grid::locate_far(-largest, grid::unpack(1e-3f)).nearer), 0xfe);
  EXPECT_EQ(code_of(grid::locate_far(smallest, grid::unpack(largest)).nearer), 0);
  EXPECT_TRUE(grid::is_near({448.0f}, step));
  EXPECT_FALSE(grid::is_near({largest}, step));
  EXPECT_FALSE(grid::is_near({0.0f}, grid::unpack(1e-38f)));
}

TEST(E4m3Grid, StepsToTheNeighbouringCode) {
  auto const step = grid::unpack(0.5f);
  for (int code = 0; code < 256; ++code) {
    if ((code & 0x7f) == 0x7f) continue;
    for (float const direction : {1.0f, -1.0f}) {
      auto const next = grid::neighbour(coded(code), direction);
      if ((code & 0x7f) == 0x7e && (direction > 0) == (code < 0x80)) {
        EXPECT_EQ(next, coded(code));
        EXPECT_EQ(grid::gap(coded(code), direction, step), 16.0f);
        continue;
      }
      double const d = static_cast<double>(grid::decode(next, step)) - 0.5 * number(code);
      EXPECT_GT(d * static_cast<double>(direction), 0.0) << code;
      EXPECT_EQ(static_cast<double>(grid::gap(coded(code), direction, step)), std::fabs(d)) << code;
      for (int other = 0; other < 256; ++other) {
        double const between = 0.5 * number(other);
        EXPECT_FALSE((between - 0.5 * number(code)) * static_cast<double>(direction) > 0 &&
                     std::fabs(between - 0.5 * number(code)) < std::fabs(d))
            << code;
      }
    }
    EXPECT_EQ(grid::least_gap(coded(code), step),
              std::min(grid::gap(coded(code), 1.0f, step), grid::gap(coded(code), -1.0f, step)))
        << code;
  }
}

TEST(E4m3Grid, KnowsTheNearestNumberOfAQuotient) {
  for (float x = -464.0f; x < 464.0f; x += 0.37f)
    EXPECT_EQ(static_cast<double>(grid::nearest_number(x)), number(nearest_code(x))) << x;
  EXPECT_EQ(grid::nearest_number(0x1p-10f), 0.0f);
  EXPECT_EQ(grid::nearest_number(-0x1.8p-9f), -0x1p-8f);
}

TEST(Fp8Layouts, PutTheLargestMagnitudeOn448) {
  EXPECT_EQ(halfstep::fp8_tensor::fit({896.0f}), 2.0f);
  EXPECT_EQ(halfstep::fp8_tensor::fit({0.0f}), 1e-30f);
  EXPECT_EQ(halfstep::fp8_block<64>::fit({0.0f}), 1e-8f);
  EXPECT_EQ(halfstep::fp8_block<64>::groups({128, 192}), (halfstep::extents2{2, 3}));
  EXPECT_FALSE(halfstep::fp8_block<64>::fits({128, 100}));
}

TEST(E4m3Grid, ClipsMoreThanHalfAStepBeyondItsEnds) {
  auto const step = grid::unpack(2.0f);
  EXPECT_FALSE(grid::clips(928.0f, step));
  EXPECT_TRUE(grid::clips(-929.0f, step));
}

}  // namespace
