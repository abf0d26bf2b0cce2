// Losses against sums written out, gradients against differences of losses.
#include <cmath>
#include <utility>

#include <gtest/gtest.h>

#include <halfstep/exec/serial.hpp>
#include <halfstep/exec/threads.hpp>
#include <halfstep/objective/concept.hpp>
#include <halfstep/objective/mean_square.hpp>
#include <halfstep/objective/principal.hpp>

#include "../support/weights.hpp"

namespace {

using halfstep::extents2;
using halfstep::host_buffer;
using halfstep::host_view;
using halfstep::index_t;
using halfstep::serial;
using halfstep_test::noise;

static_assert(halfstep::check_objective<halfstep::mean_square>());
static_assert(halfstep::check_objective<halfstep::principal>());
static_assert(halfstep::has_gradient_in_place<halfstep::mean_square> && halfstep::has_gradient_in_place<halfstep::principal>);

double length_of_projection(host_view<float const> u, host_view<float const> e, host_view<float const> v) {
  double sum = 0.0;
  for (index_t a = 0; a < u.columns(); ++a)
    for (index_t b = 0; b < v.columns(); ++b) {
      double p = 0.0;
      for (index_t i = 0; i < e.rows(); ++i)
        for (index_t j = 0; j < e.columns(); ++j) p += static_cast<double>(u(i, a)) * e(i, j) * v(j, b);
      sum += p * p;
    }
  return std::sqrt(sum);
}

template <class Objective>
void expect_gradient(Objective const& objective, extents2 e) {
  auto residual = noise(e, 7);
  host_buffer<float> slope(e.count());
  host_view<float const> const at = residual.view(e);
  double const loss = objective.gradient(serial{}, at, slope.view(e));
  EXPECT_EQ(loss, objective.loss(serial{}, at));
  for (index_t i = 0; i < e.count(); i += 5) {
    float const here = residual[i];
    residual[i] = here + 0.01f;
    double const above = objective.loss(serial{}, at);
    residual[i] = here - 0.01f;
    double const below = objective.loss(serial{}, at);
    residual[i] = here;
    EXPECT_NEAR((above - below) / 0.02, slope[i], 2e-4) << "element " << i;
  }
  host_buffer<float> in_place(e.count());
  std::copy(residual.begin(), residual.end(), in_place.begin());
  EXPECT_EQ(objective.gradient(halfstep::threads(3), host_view<float const>(in_place.view(e)), in_place.view(e)), loss);
  for (index_t i = 0; i < e.count(); ++i) ASSERT_EQ(in_place[i], slope[i]);
}

TEST(MeanSquare, IsTheMeanOfSquaresWithItsGradient) {
  host_buffer<float> residual(4);
  std::copy_n(std::initializer_list<float>{1.0f, -2.0f, 0.0f, 3.0f}.begin(), 4, residual.begin());
  EXPECT_DOUBLE_EQ(halfstep::mean_square{}.loss(serial{}, host_view<float const>(residual.view({2, 2}))), 3.5);
  expect_gradient(halfstep::mean_square{}, {11, 17});
}

TEST(Principal, IsTheLengthOfTheResidualSeenFromItsDirectionsWithItsGradient) {
  for (extents2 const e : {extents2{17, 23}, extents2{31, 12}, extents2{9, 9}}) {
    halfstep::principal const objective(noise({e.rows, 4}, 2), noise({e.columns, 4}, 3), e.rows, e.columns, 4);
    auto const residual = noise(e, 4);
    host_view<float const> const at = residual.view(e);
    double const expected = length_of_projection(objective.u(), at, objective.v());
    EXPECT_NEAR(objective.loss(serial{}, at), expected, 1e-5 * expected);
    expect_gradient(objective, e);
  }
}

TEST(Principal, HasNoGradientWhereThereIsNoLoss) {
  extents2 const e{5, 6};
  halfstep::principal const objective(noise({5, 2}, 2), noise({6, 2}, 3), 5, 6, 2);
  host_buffer<float> residual(e.count()), slope(e.count());
  std::fill(residual.begin(), residual.end(), 0.0f);
  EXPECT_EQ(objective.gradient(serial{}, host_view<float const>(residual.view(e)), slope.view(e)), 0.0);
  for (float const g : slope) EXPECT_EQ(g, 0.0f);
}

TEST(Principal, RefusesShapesThatDoNotGoTogether) {
  EXPECT_THROW(halfstep::principal(noise({5, 2}), noise({6, 3}), 5, 6, 2), halfstep::shape_error);
  halfstep::principal const objective(noise({5, 2}), noise({6, 2}), 5, 6, 2);
  auto const residual = noise({6, 5});
  EXPECT_THROW(objective.loss(serial{}, host_view<float const>(residual.view({6, 5}))), halfstep::shape_error);
}

}  // namespace
