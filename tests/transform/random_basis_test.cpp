// Signs, orders, chains and rotations of a weight's columns.
#include <halfstep/transform/chain.hpp>

#include <cmath>
#include <numeric>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <halfstep/exec/serial.hpp>
#include <halfstep/exec/threads.hpp>
#include <halfstep/kernel/paley.hpp>
#include <halfstep/layout/int8_axis.hpp>
#include <halfstep/linalg/linear.hpp>
#include <halfstep/tensor/dequantize.hpp>
#include <halfstep/tensor/linear.hpp>
#include <halfstep/tensor/quantizer.hpp>
#include <halfstep/transform/identity.hpp>
#include <halfstep/transform/kronecker_hadamard.hpp>
#include <halfstep/transform/permutation.hpp>
#include <halfstep/transform/random_orthogonal.hpp>
#include <halfstep/transform/random_signs.hpp>

#include "../support/weights.hpp"

namespace {

using halfstep::chain;
using halfstep::extents2;
using halfstep::host_buffer;
using halfstep::host_view;
using halfstep::index_t;
using halfstep::kronecker_hadamard;
using halfstep::permutation;
using halfstep::philox;
using halfstep::random_orthogonal;
using halfstep::random_signs;
using halfstep::serial;
using halfstep_test::message_of;
using halfstep_test::noise;

static_assert(halfstep::check_transform<random_signs>() && halfstep::check_transform<permutation>() &&
              halfstep::check_transform<kronecker_hadamard>() && halfstep::check_transform<random_orthogonal>() &&
              halfstep::check_transform<chain<random_signs, kronecker_hadamard>>());

permutation shuffled(index_t columns) {
  std::vector<index_t> order(static_cast<std::size_t>(columns));
  std::iota(order.begin(), order.end(), index_t{0});
  philox const random(5);
  for (std::size_t i = order.size(); i > 1; --i) std::swap(order[i - 1], order[random(i).word[0] % i]);
  return permutation(order);
}

/// x' W'^T = x W^T, invert undoes apply to `tolerance`, and both are the same for any number of threads.
template <class Transform>
void expect_change_of_basis(Transform const& t, index_t columns, float tolerance) {
  extents2 const e{70, columns}, in{3, columns}, out{3, 70};
  EXPECT_TRUE(t.fits(e));
  EXPECT_FALSE(t.fits({70, columns + 1}));
  auto const weight = noise(e, 1);
  auto w = noise(e, 1), same = noise(e, 1), x = noise(in, 2);
  host_buffer<float> before(out.count()), after(out.count());
  halfstep::linear(serial{}, x.view(in), w.view(e), host_view<float const>{}, before.view(out));
  t.apply(serial{}, w.view(e));
  t.apply(halfstep::threads(3), same.view(e));
  for (index_t i = 0; i < w.size(); ++i) ASSERT_EQ(w[i], same[i]);
  t.apply_to_input(serial{}, x.view(in));
  halfstep::linear(serial{}, x.view(in), w.view(e), host_view<float const>{}, after.view(out));
  for (index_t i = 0; i < before.size(); ++i) EXPECT_NEAR(after[i], before[i], 2e-6f);
  index_t moved = 0;
  for (index_t i = 0; i < w.size(); ++i) moved += w[i] != weight[i] ? 1 : 0;
  EXPECT_GT(moved, w.size() / 4);
  t.invert(halfstep::threads(2), w.view(e));
  for (index_t i = 0; i < w.size(); ++i) ASSERT_NEAR(w[i], weight[i], tolerance);
}

TEST(RandomSigns, ComeBackExactly) { expect_change_of_basis(random_signs(philox(3), 37), 37, 0.0f); }

TEST(RandomSigns, AreAFunctionOfTheKeyAndHalfOfThemNegative) {
  auto const signs = halfstep::signs_of(philox(1), 4096);
  EXPECT_EQ(signs, halfstep::signs_of(philox(1), 4096));
  EXPECT_NE(signs, halfstep::signs_of(philox(2), 4096));
  EXPECT_NE(signs, halfstep::signs_of(philox(1), 4096, 1000));
  auto const prefix = halfstep::signs_of(philox(1), 100);
  EXPECT_TRUE(std::equal(prefix.begin(), prefix.end(), signs.begin()));
  EXPECT_NEAR(std::accumulate(signs.begin(), signs.end(), 0.0), 0.0, 4 * 64);
  EXPECT_THAT(message_of([] { random_signs({1.0f, 0.5f}); }), testing::HasSubstr("1 or -1"));
}

TEST(Permutation, ComesBackExactly) {
  expect_change_of_basis(shuffled(53), 53, 0.0f);
  std::vector<float> w{10, 11, 12};
  permutation({2, 0, 1}).apply(serial{}, host_view<float>(w.data(), {1, 3}));
  EXPECT_THAT(w, testing::ElementsAre(12, 10, 11));
}

TEST(Permutation, HoldsEveryColumnOnce) {
  for (auto const& order : {std::vector<index_t>{0, 0}, {0, 2}, {-1, 0}})
    EXPECT_THAT(message_of([&] { permutation p(order); }), testing::HasSubstr("holds each of them once"));
}

TEST(Paley, MatricesAreHadamardMatrices) {
  for (index_t const order : {12, 20, 24, 28, 36, 44, 76, 108}) {
    ASSERT_TRUE(halfstep::is_paley_order(order));
    auto const h = halfstep::paley_matrix(order);
    for (index_t a = 0; a < order; ++a)
      for (index_t b = 0; b < order; ++b) {
        int sum = 0;
        for (index_t k = 0; k < order; ++k)
          sum += h[static_cast<std::size_t>(a * order + k)] * h[static_cast<std::size_t>(b * order + k)];
        ASSERT_EQ(sum, a == b ? order : 0) << order;
      }
  }
  EXPECT_THROW(halfstep::paley_matrix(40), halfstep::shape_error);
  EXPECT_THROW(halfstep::paley_matrix(13), halfstep::shape_error);
}

TEST(Paley, FactorsOfTheColumnsOfRealModels) {
  EXPECT_EQ(halfstep::hadamard_factor(4096), 1);
  EXPECT_EQ(halfstep::hadamard_factor(384), 12);
  EXPECT_EQ(halfstep::hadamard_factor(3072), 12);
  EXPECT_EQ(halfstep::hadamard_factor(5120), 20);
  EXPECT_EQ(halfstep::hadamard_factor(10240), 20);
  EXPECT_EQ(halfstep::hadamard_factor(3584), 28);
  EXPECT_EQ(halfstep::hadamard_factor(13824), 108);
  EXPECT_EQ(halfstep::hadamard_factor(1152), 36);
  EXPECT_EQ(halfstep::hadamard_factor(6), std::nullopt);
  EXPECT_EQ(halfstep::hadamard_factor(0), std::nullopt);
}

TEST(KroneckerHadamard, ComesBack) {
  for (index_t const columns : {64, 12, 96, 40, 56, 144}) expect_change_of_basis(kronecker_hadamard(columns), columns, 1e-7f);
  EXPECT_THAT(message_of([] { kronecker_hadamard(10); }), testing::HasSubstr("10 columns"));
}

TEST(KroneckerHadamard, SpreadsALargeWeightOverItsRow) {
  std::vector<float> w(48, 0.0f);
  w[17] = 1.0f;
  kronecker_hadamard(48).apply(serial{}, host_view<float>(w.data(), {1, 48}));
  for (float const x : w) EXPECT_NEAR(std::fabs(x), 1.0f / std::sqrt(48.0f), 1e-7f);
}

TEST(RandomOrthogonal, ComesBackNearly) {
  for (index_t const columns : {1, 37, 130}) {
    random_orthogonal const t(serial{}, philox(9), columns);
    if (columns > 1) expect_change_of_basis(t, columns, 1e-6f);
    auto const q = t.matrix();
    for (index_t a = 0; a < columns; ++a)
      for (index_t b = 0; b < columns; ++b) {
        double sum = 0.0;
        for (index_t k = 0; k < columns; ++k) sum += static_cast<double>(q(k, a)) * static_cast<double>(q(k, b));
        ASSERT_NEAR(sum, a == b ? 1.0 : 0.0, 5e-6);
      }
  }
}

TEST(RandomOrthogonal, IsAFunctionOfTheKey) {
  random_orthogonal const one(serial{}, philox(1), 20), again(halfstep::threads(3), philox(1), 20),
      other(serial{}, philox(2), 20);
  index_t different = 0;
  for (index_t i = 0; i < 400; ++i) {
    EXPECT_EQ(one.matrix().data()[i], again.matrix().data()[i]);
    different += one.matrix().data()[i] != other.matrix().data()[i] ? 1 : 0;
  }
  EXPECT_GT(different, 390);
}

TEST(Chain, GoesThroughItsLinksAndBack) {
  using links = chain<random_signs, permutation, kronecker_hadamard>;
  links const t(random_signs(philox(3), 48), shuffled(48), kronecker_hadamard(48));
  expect_change_of_basis(t, 48, 1e-7f);
  EXPECT_EQ(t.link<2>().factor(), 12);
  extents2 const e{4, 48};
  auto together = noise(e), apart = noise(e);
  t.apply(serial{}, together.view(e));
  t.link<0>().apply(serial{}, apart.view(e));
  t.link<1>().apply(serial{}, apart.view(e));
  t.link<2>().apply(serial{}, apart.view(e));
  for (index_t i = 0; i < together.size(); ++i) EXPECT_EQ(together[i], apart[i]);
}

TEST(Chain, TravelsWithAQuantizedTensor) {
  using links = chain<random_signs, kronecker_hadamard>;
  links const t(random_signs(philox(3), 96), kronecker_hadamard(96));
  extents2 const e{30, 96}, in{5, 96}, out{5, 30};
  auto const w = noise(e, 4), x = noise(in, 5);
  auto const q = halfstep::quantizer<halfstep::int8_axis, halfstep::nearest, links>({}, t)(serial{}, w.view(e));
  auto const back = halfstep::dequantize(serial{}, q);
  double lost = 0.0, signal = 0.0;
  for (index_t i = 0; i < w.size(); ++i) {
    lost += std::pow(static_cast<double>(back[i] - w[i]), 2);
    signal += std::pow(static_cast<double>(w[i]), 2);
  }
  EXPECT_GT(10.0 * std::log10(signal / lost), 38.0);
  host_buffer<float> y(out.count()), z(out.count());
  halfstep::linear(serial{}, x.view(in), q, host_view<float const>{}, y.view(out));
  halfstep::linear(serial{}, x.view(in), host_view<float const>(back.view(e)), host_view<float const>{}, z.view(out));
  for (index_t i = 0; i < y.size(); ++i) EXPECT_NEAR(y[i], z[i], 1e-6f);
}

}  // namespace
