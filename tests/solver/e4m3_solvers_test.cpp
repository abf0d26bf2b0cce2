// The solvers on the E4M3 grid, whose steps differ: moves go to neighbouring codes, and objectives fall after rounding.
#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <limits>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include <halfstep/exec/serial.hpp>
#include <halfstep/exec/threads.hpp>
#include <halfstep/layout/e4m3_grid.hpp>
#include <halfstep/layout/fp8_block.hpp>
#include <halfstep/layout/fp8_tensor.hpp>
#include <halfstep/linalg/gram.hpp>
#include <halfstep/linalg/singular.hpp>
#include <halfstep/objective/hessian.hpp>
#include <halfstep/objective/principal.hpp>
#include <halfstep/optimizer/adamw.hpp>
#include <halfstep/optimizer/adaptive_rate.hpp>
#include <halfstep/optimizer/gradient.hpp>
#include <halfstep/solver/coordinate.hpp>
#include <halfstep/solver/descent.hpp>
#include <halfstep/solver/error_feedback.hpp>
#include <halfstep/solver/mean_flip.hpp>
#include <halfstep/solver/scale_search.hpp>
#include <halfstep/tensor/quantizer.hpp>

#include "../support/weights.hpp"

namespace {

using halfstep::extents2;
using halfstep::host_buffer;
using halfstep::host_view;
using halfstep::index_t;
using halfstep::serial;
using halfstep::threads;
using halfstep_test::noise;
using grid = halfstep::e4m3_grid;
using dense = halfstep::detail::dense<double>;

/// A code's place on the line of all codes, from -126 to 126.
int place(halfstep::float8_e4m3 code) {
  int const magnitude = static_cast<int>(code) & 0x7f;
  return (static_cast<int>(code) & 0x80) != 0 ? -magnitude : magnitude;
}

/// A layer rounded to nearest on the grid, and what its codes are off in FP64.
template <class Layout>
struct layer {
  extents2 e;
  host_buffer<float> weights;
  halfstep::quantized_tensor<Layout, halfstep::host_space> q;

  explicit layer(extents2 shape, std::uint64_t seed = 1)
      : e(shape), weights(noise(shape, seed)), q(halfstep::quantizer<Layout>()(serial{}, weight())) {}

  host_view<float const> weight() const { return weights.view(e); }
  halfstep::coded_matrix<grid> coded() {
    return {q.codes(), host_view<float const>(q.groups()), halfstep::geometry_of<Layout>(e)};
  }
  std::vector<int> places() {
    std::vector<int> all;
    for (index_t i = 0; i < e.count(); ++i) all.push_back(place(q.codes().data()[i]));
    return all;
  }
  dense error() {
    dense off(e.rows, e.columns);
    auto const c = coded();
    for (index_t i = 0; i < e.rows; ++i)
      for (index_t j = 0; j < e.columns; ++j)
        off(i, j) =
            static_cast<double>(weights[i * e.columns + j]) - static_cast<double>(grid::decode(c.codes(i, j), c.step(i, j)));
    return off;
  }
  halfstep::principal directions(index_t k) const {
    auto found = halfstep::leading_singular_vectors(serial{}, weight(), k, halfstep::philox(1));
    auto const rank = found.rank();
    return {std::move(found.u), std::move(found.v), e.rows, e.columns, rank};
  }
};

double projected(dense const& error, halfstep::principal const& p) {
  dense const u = halfstep::detail::eigen_map(p.u()).cast<double>(), v = halfstep::detail::eigen_map(p.v()).cast<double>();
  return (u.transpose() * error * v).norm();
}

template <class Layout>
class E4m3Solvers : public testing::Test {};
using layouts = testing::Types<halfstep::fp8_tensor, halfstep::fp8_block<32>>;
TYPED_TEST_SUITE(E4m3Solvers, layouts);

TYPED_TEST(E4m3Solvers, CoordinateLowersItsObjectiveWithinTheBudget) {
  layer<TypeParam> l({288, 320}, 11);
  auto const p = l.directions(64);
  dense const before = l.error();
  auto const start = l.places();
  auto const report = halfstep::coordinate(0.1).refine(threads(2), l.weight(), l.coded(), p);
  dense const after = l.error();
  double const gain = 20.0 * std::log10(projected(before, p) / projected(after, p));
  double const cost = 20.0 * std::log10(after.norm() / before.norm());
  EXPECT_GT(gain, 6.0);
  EXPECT_LE(cost, 0.105);
  EXPECT_NEAR(report.gain_db(), gain, 0.05);
  EXPECT_NEAR(report.cost_db(), cost, 1e-3);
  index_t moved = 0;
  auto const places = l.places();
  for (std::size_t i = 0; i < start.size(); ++i) moved += start[i] != places[i] ? 1 : 0;
  EXPECT_NEAR(static_cast<double>(report.moved), static_cast<double>(moved), 0.01 * static_cast<double>(moved));
}

TYPED_TEST(E4m3Solvers, EveryMoveOfACoordinateSweepGoesToANeighbourAndLowersJ) {
  layer<TypeParam> l({96, 160}, 12);
  auto const p = l.directions(16);
  halfstep::coordinate_sweep<grid, serial> sweep(serial{}, l.weight(), l.coded(), p.u(), p.v());
  double const mu = 0.02;
  auto const objective = [&] {
    dense const off = l.error();
    double const seen = projected(off, p);
    return mu * off.squaredNorm() + seen * seen;
  };
  double last = objective();
  index_t moved = 0;
  for (int i = 0; i < 4; ++i) {
    auto const before = l.places();
    moved += sweep(mu);
    auto const after = l.places();
    for (std::size_t k = 0; k < before.size(); ++k) ASSERT_LE(std::abs(before[k] - after[k]), 1);
    EXPECT_LE(objective(), last * (1.0 + 1e-6));
    last = objective();
  }
  EXPECT_GT(moved, 100);
  sweep.project();
  EXPECT_NEAR(sweep.loss(), projected(l.error(), p), 1e-4 * sweep.loss());
}

TYPED_TEST(E4m3Solvers, DescentMovesCodesAndLowersItsObjective) {
  for (double const budget : {0.1, 0.5}) {
    layer<TypeParam> l({96, 160}, 3);
    auto const p = l.directions(20);
    dense const before = l.error();
    auto const start = l.places();
    auto const report =
        halfstep::descent(halfstep::adamw{}, halfstep::adaptive_rate(halfstep::adamw::default_rate), {200, budget})
            .refine(serial{}, l.weight(), l.coded(), p);
    dense const after = l.error();
    double const gain = 20.0 * std::log10(projected(before, p) / projected(after, p));
    EXPECT_GT(gain, 2.0);
    EXPECT_NEAR(report.gain_db(), gain, 0.05);
    EXPECT_LE(20.0 * std::log10(after.norm() / before.norm()), budget + 1e-3);
    EXPECT_NE(start, l.places());
  }
}

TYPED_TEST(E4m3Solvers, ErrorFeedbackLowersTheOutputsError) {
  layer<TypeParam> l({64, 96}, 5);
  extents2 const rows{400, 96};
  auto x = noise(rows, 6);
  for (index_t r = 0; r < rows.rows; ++r)
    for (index_t j = 1; j < rows.columns; ++j) x[r * rows.columns + j] += 0.8f * x[r * rows.columns + j - 1];
  host_buffer<float> h(96 * 96);
  std::fill(h.begin(), h.end(), 0.0f);
  halfstep::add_gram(serial{}, host_view<float const>(x.view(rows)), h.view({96, 96}));
  halfstep::hessian const moments(serial{}, std::move(h), 96);
  dense const wide = halfstep::detail::eigen_map(moments.view()).cast<double>();
  auto const loss = [&](dense const& off) { return std::sqrt((off * wide).cwiseProduct(off).sum()); };
  double const before = loss(l.error());
  auto const report = halfstep::error_feedback<>().refine(threads(2), l.weight(), l.coded(), moments);
  EXPECT_LT(loss(l.error()), 0.7 * before);
  EXPECT_NEAR(report.loss_after, loss(l.error()), 1e-3 * report.loss_after);
  EXPECT_GT(report.moved, 0);
}

TYPED_TEST(E4m3Solvers, MeanFlipsKeepTheMeanOfOutputs) {
  layer<TypeParam> l({64, 96}, 7);
  auto const m = noise({1, 96}, 8);
  std::vector<float> mean;
  for (index_t j = 0; j < 96; ++j) mean.push_back(0.3f + 20.0f * m[j]);
  auto const lost = [&] {
    double sum = 0.0;
    dense const off = l.error();
    for (index_t i = 0; i < 64; ++i) {
      double c = 0.0;
      for (index_t j = 0; j < 96; ++j) c += off(i, j) * static_cast<double>(mean[static_cast<std::size_t>(j)]);
      sum += c * c;
    }
    return std::sqrt(sum);
  };
  double const before = lost();
  auto const start = l.places();
  auto const report = halfstep::mean_flip(mean).refine(serial{}, l.weight(), l.coded());
  EXPECT_LT(lost(), 0.3 * before);
  EXPECT_NEAR(report.loss_after, lost(), 1e-4 * before);
  auto const after = l.places();
  for (std::size_t i = 0; i < start.size(); ++i) ASSERT_LE(std::abs(start[i] - after[i]), 1);
}

TYPED_TEST(E4m3Solvers, ScaleSearchFindsNoWorseScalesThanTheLargestMagnitudes) {
  layer<TypeParam> l({64, 96}, 9);
  for (index_t i = 0; i < l.e.count(); i += 501) l.weights[i] *= 3.0f;
  auto const q = halfstep::quantizer<TypeParam>()(serial{}, l.weight());
  std::vector<float> const flat(96, 1.0f);
  auto const groups = q.groups().extents();
  auto const loss = [&](std::vector<float> const& scales, index_t group) {
    double sum = 0.0;
    for (index_t i = 0; i < l.e.rows; ++i)
      for (index_t j = 0; j < l.e.columns; ++j) {
        if (TypeParam::group_of(l.e, i, j) != group) continue;
        auto const step = grid::unpack(scales[static_cast<std::size_t>(group)]);
        double const x = static_cast<double>(l.weight()(i, j));
        double const off = x - static_cast<double>(grid::decode(grid::locate_far(l.weight()(i, j), step).nearer, step));
        sum += off * off;
      }
    return sum;
  };
  std::vector<float> const fitted(q.groups().data(), q.groups().data() + groups.count());
  for (auto const criterion : {halfstep::scale_criterion::bounded, halfstep::scale_criterion::mse}) {
    std::vector<float> searched = fitted;
    halfstep::scale_search<grid> const find(criterion);
    find(serial{}, l.weight(), halfstep::geometry_of<TypeParam>(l.e), flat, host_view<float>(searched.data(), groups));
    double before = 0.0, after = 0.0;
    for (index_t group = 0; group < groups.count(); ++group) {
      before += loss(fitted, group);
      after += loss(searched, group);
      EXPECT_LE(loss(searched, group), loss(fitted, group) * (1.0 + 1e-5)) << group;
    }
    EXPECT_LT(after, before);
  }
}

}  // namespace
