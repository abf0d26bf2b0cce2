// Cholesky factors, orthonormal bases and singular vectors.
#include <algorithm>
#include <cmath>
#include <vector>

#include <gtest/gtest.h>

#include <halfstep/exec/serial.hpp>
#include <halfstep/exec/threads.hpp>
#include <halfstep/kernel/sum.hpp>
#include <halfstep/linalg/cholesky.hpp>
#include <halfstep/linalg/orthonormal.hpp>
#include <halfstep/linalg/singular.hpp>

#include "../support/weights.hpp"

namespace {

using halfstep::extents2;
using halfstep::host_buffer;
using halfstep::host_view;
using halfstep::index_t;
using halfstep::operand;
using halfstep::philox;
using halfstep::serial;
using halfstep::threads;
using halfstep_test::noise;

/// Returns the largest entry of |a^T a - 1|.
double off_orthonormal(host_view<float const> a) {
  host_buffer<float> gram(a.columns() * a.columns());
  halfstep::gemm(serial{}, a, operand::transposed, a, operand::plain, gram.view({a.columns(), a.columns()}));
  double worst = 0.0;
  for (index_t i = 0; i < a.columns(); ++i)
    for (index_t j = 0; j < a.columns(); ++j)
      worst = std::max(worst, std::fabs(static_cast<double>(gram[i * a.columns() + j]) - (i == j ? 1.0 : 0.0)));
  return worst;
}

/// Returns |U^T A V|^2: the energy of `a` that the vectors hold.
double energy_in(host_view<float const> a, halfstep::singular_vectors const& s) {
  index_t const k = s.rank();
  host_buffer<float> left(k * a.columns()), p(k * k);
  halfstep::gemm(serial{}, s.u.view({a.rows(), k}), operand::transposed, a, operand::plain, left.view({k, a.columns()}));
  halfstep::gemm(serial{}, left.view({k, a.columns()}), operand::plain, s.v.view({a.columns(), k}), operand::plain,
                 p.view({k, k}));
  return halfstep::sum_of_squares(serial{}, host_view<float const>(p.view({k, k})));
}

TEST(Cholesky, FactorsMatricesOfManyBlocksAlikeForEveryNumberOfThreads) {
  for (index_t const n : {1, 5, 128, 301}) {
    extents2 const square{n, n};
    auto const x = noise({n + 40, n}, 7);
    host_buffer<double> a(n * n), alone(n * n), together(n * n);
    for (index_t i = 0; i < n; ++i)
      for (index_t j = 0; j < n; ++j) {
        double sum = i == j ? 0.01 : 0.0;
        for (index_t r = 0; r < n + 40; ++r) sum += static_cast<double>(x[r * n + i]) * static_cast<double>(x[r * n + j]);
        a[i * n + j] = alone[i * n + j] = together[i * n + j] = sum;
      }
    ASSERT_TRUE(halfstep::cholesky(serial{}, alone.view(square)));
    ASSERT_TRUE(halfstep::cholesky(threads(3), together.view(square)));
    for (index_t i = 0; i < n; ++i)
      for (index_t j = 0; j <= i; ++j) {
        double product = 0.0;
        for (index_t k = 0; k <= j; ++k) product += alone[i * n + k] * alone[j * n + k];
        ASSERT_NEAR(product, a[i * n + j], 1e-12) << n;
        ASSERT_EQ(alone[i * n + j], together[i * n + j]);
      }
  }
}

TEST(Cholesky, SaysThatAMatrixIsNotPositiveDefinite) {
  host_buffer<float> a(4);
  a[0] = 1.0f, a[1] = 0.0f, a[2] = 2.0f, a[3] = 3.0f;
  EXPECT_FALSE(halfstep::cholesky(serial{}, a.view({2, 2})));
  EXPECT_THROW(static_cast<void>(halfstep::cholesky(serial{}, a.view({1, 4}))), halfstep::shape_error);
}

TEST(Orthonormalize, GivesABasisOfTheSameSpaceEvenOfDependentColumns) {
  extents2 const e{400, 150};
  auto a = noise(e, 3);
  host_buffer<float> scratch(e.count());
  for (index_t i = 0; i < e.rows; ++i) a[i * e.columns + 1] *= 1e-3f;
  for (int pass = 0; pass < 2; ++pass) halfstep::orthonormalize(threads(2), a.view(e), scratch.view(e));
  EXPECT_LT(off_orthonormal(a.view(e)), 1e-5);
  for (index_t i = 0; i < e.rows; ++i) a[i * e.columns + 2] = a[i * e.columns];
  halfstep::orthonormalize(serial{}, a.view(e), scratch.view(e));
  for (index_t i = 0; i < a.size(); ++i) ASSERT_TRUE(std::isfinite(a[i]));
}

TEST(SingularVectors, OfAKnownMatrixAreItsOwn) {
  // Two orthogonal dyads with values 3 and 2.
  extents2 const e{6, 4};
  host_buffer<float> a(e.count());
  std::fill(a.begin(), a.end(), 0.0f);
  a[0 * 4 + 1] = 3.0f;
  a[5 * 4 + 2] = -2.0f;
  for (auto const& s : {halfstep::leading_singular_vectors(serial{}, a.view(e), 3, philox(1)),
                        halfstep::exact_singular_vectors(serial{}, a.view(e), 3)}) {
    ASSERT_EQ(s.rank(), 2);  // the third direction is not determined
    EXPECT_NEAR(s.values[0], 3.0f, 1e-6f);
    EXPECT_NEAR(s.values[1], 2.0f, 1e-6f);
    EXPECT_NEAR(std::fabs(s.u[0 * 2 + 0]), 1.0f, 1e-6f);
    EXPECT_NEAR(std::fabs(s.v[2 * 2 + 1]), 1.0f, 1e-6f);
    EXPECT_NEAR(s.u[5 * 2 + 1] * s.v[2 * 2 + 1], -1.0f, 1e-6f);
  }
}

TEST(SingularVectors, HoldNearlyTheEnergyOfTheExactOnes) {
  for (extents2 const e : {extents2{300, 200}, extents2{150, 400}}) {
    auto const a = noise(e, 5);
    index_t const k = 40;
    auto const fast = halfstep::leading_singular_vectors(threads(2), a.view(e), k, philox(9));
    auto const exact = halfstep::exact_singular_vectors(serial{}, a.view(e), k);
    ASSERT_EQ(fast.rank(), k);
    EXPECT_LT(off_orthonormal(fast.u.view({e.rows, k})), 1e-5);
    EXPECT_LT(off_orthonormal(fast.v.view({e.columns, k})), 1e-5);
    EXPECT_GT(energy_in(a.view(e), fast), 0.95 * energy_in(a.view(e), exact));
    EXPECT_LT(energy_in(a.view(e), fast), 1.0001 * energy_in(a.view(e), exact));
  }
}

TEST(SingularVectors, OfAllOfTheSpectrumGiveTheMatrixBack) {
  for (extents2 const e : {extents2{90, 60}, extents2{60, 130}, extents2{64, 64}}) {
    auto const a = noise(e, 7);
    index_t const k = std::min(e.rows, e.columns);
    auto const s = halfstep::exact_singular_vectors(threads(2), a.view(e), k);
    ASSERT_EQ(s.rank(), k);
    EXPECT_TRUE(std::is_sorted(s.values.rbegin(), s.values.rend()));
    EXPECT_LT(off_orthonormal(s.u.view({e.rows, k})), 1e-5);
    EXPECT_LT(off_orthonormal(s.v.view({e.columns, k})), 1e-5);
    for (index_t i = 0; i < e.rows; ++i)
      for (index_t j = 0; j < e.columns; ++j) {
        double sum = 0.0;
        for (index_t d = 0; d < k; ++d)
          sum += static_cast<double>(s.u[i * k + d]) * static_cast<double>(s.values[static_cast<std::size_t>(d)]) *
                 static_cast<double>(s.v[j * k + d]);
        ASSERT_NEAR(sum, static_cast<double>(a[i * e.columns + j]), 2e-5);
      }
  }
}

TEST(SingularVectors, AreTheSameBitsForEveryNumberOfThreads) {
  extents2 const e{520, 300};
  auto const a = noise(e, 6);
  auto const alone = halfstep::leading_singular_vectors(serial{}, a.view(e), 64, philox(1));
  auto const together = halfstep::leading_singular_vectors(threads(5), a.view(e), 64, philox(1));
  EXPECT_TRUE(std::equal(alone.u.begin(), alone.u.end(), together.u.begin()));
  EXPECT_TRUE(std::equal(alone.v.begin(), alone.v.end(), together.v.begin()));
  auto const one = halfstep::exact_singular_vectors(serial{}, a.view(e), 64);
  auto const many = halfstep::exact_singular_vectors(threads(5), a.view(e), 64);
  EXPECT_TRUE(std::equal(one.u.begin(), one.u.end(), many.u.begin()));
  EXPECT_TRUE(std::equal(one.v.begin(), one.v.end(), many.v.begin()));
}

TEST(SingularVectors, OfZerosAreNoneAndOfTooManyAreRefused) {
  extents2 const e{20, 10};
  host_buffer<float> a(e.count());
  std::fill(a.begin(), a.end(), 0.0f);
  EXPECT_EQ(halfstep::leading_singular_vectors(serial{}, a.view(e), 4, philox(1)).rank(), 0);
  EXPECT_EQ(halfstep::exact_singular_vectors(serial{}, a.view(e), 4).rank(), 0);
  EXPECT_THROW(halfstep::leading_singular_vectors(serial{}, a.view(e), 11, philox(1)), halfstep::shape_error);
  EXPECT_THROW(halfstep::exact_singular_vectors(serial{}, a.view(e), 0), halfstep::shape_error);
}

}  // namespace
