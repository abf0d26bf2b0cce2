#include <halfstep/kernel/hadamard.hpp>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <halfstep/core/arithmetic.hpp>
#include <halfstep/core/bits.hpp>
#include <halfstep/exec/serial.hpp>
#include <halfstep/exec/threads.hpp>
#include <halfstep/transform/concept.hpp>
#include <halfstep/transform/hadamard.hpp>
#include <halfstep/transform/identity.hpp>

#include "../support/weights.hpp"

namespace {

using halfstep::extents2;
using halfstep::host_buffer;
using halfstep::host_view;
using halfstep::index_t;
using halfstep::serial;
using halfstep::threads;
using halfstep_test::message_of;
using halfstep_test::noise;

static_assert(halfstep::check_transform<halfstep::regular_hadamard>() && halfstep::check_transform<halfstep::identity>());

/// The element of H4 (x) .. (x) H4 / 2^m: -1 or 1 for every base-4 digit pair, -1 where they add to 3.
double regular_element(int group, int row, int column) {
  double product = 1;
  for (int size = group; size > 1; size /= 4, row /= 4, column /= 4) product *= row % 4 + column % 4 == 3 ? -0.5 : 0.5;
  return product;
}

/// The element of the Sylvester matrix over sqrt(group).
double sylvester_element(int group, int row, int column) {
  return (__builtin_popcount(static_cast<unsigned>(row & column)) % 2 == 0 ? 1.0 : -1.0) / std::sqrt(static_cast<double>(group));
}

template <class Element>
void expect_product(host_view<float const> before, host_view<float const> after, int group, Element const& element) {
  for (index_t row = 0; row < before.rows(); ++row)
    for (index_t start = 0; start < before.columns(); start += group)
      for (int j = 0; j < group; ++j) {
        double sum = 0;
        for (int k = 0; k < group; ++k) sum += static_cast<double>(before(row, start + k)) * element(group, k, j);
        ASSERT_NEAR(after(row, start + j), sum, 1e-6) << row << ", " << start + j;
      }
}

TEST(RegularHadamard, MultipliesEveryGroupByItsMatrix) {
  for (int const group : {4, 16, 64, 256, 1024}) {
    extents2 const e{3, 2 * group};
    auto const x = noise(e);
    host_buffer<float> y(e.count());
    halfstep::hadamard_regular(serial{}, host_view<float const>(x.view(e)), y.view(e), group);
    expect_product(x.view(e), y.view(e), group, regular_element);
  }
}

TEST(RegularHadamard, OfTheUnitVectorIsTheFirstColumn) {
  std::vector<float> const x{1, 0, 0, 0};
  std::vector<float> y(4);
  halfstep::hadamard_regular(serial{}, host_view<float const>(x.data(), {1, 4}), host_view<float>(y.data(), {1, 4}), 4);
  EXPECT_THAT(y, testing::ElementsAre(0.5f, 0.5f, 0.5f, -0.5f));
}

/// Four values of one stage, one operation at a time: `volatile` keeps the compiler from fusing any two.
void slow_stage(float (&x)[4]) {
  float volatile low = x[0] + x[1], high = x[2] + x[3];
  float volatile sum = low + high;
  float volatile half = sum / 2.0f;
  float const before[4] = {x[0], x[1], x[2], x[3]};
  for (int d = 0; d < 4; ++d) {
    float volatile y = half - before[3 - d];
    x[d] = y;
  }
}

TEST(RegularHadamard, HasTheBitsOfItsStagesInOrder) {
  extents2 const e{5, 512};
  for (float const size : {1.0f, 1e-38f, 1e-44f, 1e36f}) {  // subnormal sums are halved with a rounding
    auto x = noise(e);
    for (float& v : x) v *= size;
    host_buffer<float> y(e.count());
    halfstep::hadamard_regular(threads(2), host_view<float const>(x.view(e)), y.view(e), 256);
    for (index_t start = 0; start < e.count(); start += 256) {
      for (index_t stride = 1; stride < 256; stride *= 4)
        for (index_t k = 0; k < 256; ++k) {
          if (k / stride % 4 != 0) continue;
          float* const p = x.data() + start + k;
          float four[4] = {p[0], p[stride], p[2 * stride], p[3 * stride]};
          slow_stage(four);
          for (int d = 0; d < 4; ++d) p[d * stride] = four[d];
        }
      for (index_t k = start; k < start + 256; ++k) ASSERT_EQ(y[k], x[k]) << size << " at " << k;
    }
  }
}

TEST(RegularHadamard, GivesTheSameBitsInPlaceOnEveryExecutorAndFromBf16) {
  extents2 const e{777, 768};
  auto const narrow = noise<halfstep::bfloat16>(e);
  host_buffer<float> once(e.count()), again(e.count());
  host_view<halfstep::bfloat16 const> const x = narrow.view(e);
  halfstep::hadamard_regular(serial{}, x, once.view(e), 256);
  for (index_t i = 0; i < e.count(); ++i) again[i] = widen(narrow[i]);
  halfstep::regular_hadamard{256}.apply(threads(3), again.view(e));
  ASSERT_TRUE(std::equal(once.begin(), once.end(), again.begin()));
}

TEST(RegularHadamard, IsUndoneByItself) {
  extents2 const e{9, 1024};
  auto const x = noise(e);
  host_buffer<float> y(e.count());
  halfstep::regular_hadamard const rotation{1024};
  host_view<float const> const from = x.view(e);
  rotation.apply(serial{}, from, y.view(e));
  rotation.invert(serial{}, y.view(e));
  for (index_t i = 0; i < e.count(); ++i) ASSERT_NEAR(x[i], y[i], 1e-7);
}

TEST(RegularHadamard, RefusesGroupsThatDoNotFit) {
  auto x = noise({2, 96});
  host_view<float const> const from = x.view({2, 96});
  EXPECT_THAT(message_of([&] {
                halfstep::hadamard_regular(serial{}, from, x.view({2, 96}), 64);
              }),
              testing::HasSubstr("96 columns"));
  EXPECT_THAT(message_of([&] {
                halfstep::hadamard_regular(serial{}, from, x.view({2, 96}), 8);
              }),
              testing::HasSubstr("a power of four"));
  EXPECT_FALSE(halfstep::regular_hadamard{64}.fits({2, 96}));
  EXPECT_FALSE(halfstep::regular_hadamard{32}.fits({2, 96}));
  EXPECT_TRUE(halfstep::regular_hadamard{16}.fits({2, 96}));
}

TEST(Hadamard, MultipliesEveryGroupByTheSylvesterMatrix) {
  for (int const group : {1, 2, 8, 128, 512}) {
    extents2 const e{3, 2 * group};
    auto const x = noise(e);
    auto y = noise(e);
    halfstep::hadamard(threads(2), y.view(e), group);
    expect_product(x.view(e), y.view(e), group, sylvester_element);
    halfstep::hadamard(serial{}, y.view(e), group);
    for (index_t i = 0; i < e.count(); ++i) ASSERT_NEAR(x[i], y[i], 1e-7);
  }
  auto x = noise({1, 12});
  EXPECT_THROW(halfstep::hadamard(serial{}, x.view({1, 12}), 8), halfstep::shape_error);
  EXPECT_THROW(halfstep::hadamard(serial{}, x.view({1, 12}), 6), halfstep::shape_error);
}

}  // namespace
