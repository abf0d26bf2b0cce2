// Discrete coordinate descent: every move lowers its objective, and the budget holds.
#include <algorithm>
#include <cmath>
#include <vector>

#include <gtest/gtest.h>

#include <halfstep/exec/serial.hpp>
#include <halfstep/exec/threads.hpp>
#include <halfstep/layout/int8_axis.hpp>
#include <halfstep/layout/int8_block.hpp>
#include <halfstep/layout/int8_tensor.hpp>
#include <halfstep/linalg/singular.hpp>
#include <halfstep/solver/coordinate.hpp>
#include <halfstep/tensor/quantizer.hpp>

#include "../support/weights.hpp"

namespace {

using halfstep::coded_matrix;
using halfstep::coordinate;
using halfstep::coordinate_sweep;
using halfstep::extents2;
using halfstep::host_buffer;
using halfstep::host_view;
using halfstep::index_t;
using halfstep::serial;
using halfstep::threads;
using halfstep_test::noise;

using grid = halfstep::symmetric_grid<127>;

/// The directions of an objective.
struct directions {
  halfstep::singular_vectors found;
  extents2 shape;

  directions(host_view<float const> w, index_t k)
      : found(halfstep::leading_singular_vectors(serial{}, w, k, halfstep::philox(3))), shape(w.extents()) {}
  host_view<float const> u() const { return found.u.view({shape.rows, found.rank()}); }
  host_view<float const> v() const { return found.v.view({shape.columns, found.rank()}); }
};

/// Returns |E|^2 and |U^T E V|^2 in FP64, straight from their formulas.
struct losses {
  double error = 0.0;
  double projected = 0.0;

  losses(host_view<float const> w, coded_matrix<grid> const& q, directions const& d) {
    extents2 const e = w.extents();
    std::vector<double> residual(static_cast<std::size_t>(e.count()));
    for (index_t i = 0; i < e.rows; ++i)
      for (index_t j = 0; j < e.columns; ++j) {
        double const x = static_cast<double>(w(i, j)) - static_cast<double>(grid::decode(q.codes(i, j), q.step(i, j)));
        residual[static_cast<std::size_t>(i * e.columns + j)] = x;
        error += x * x;
      }
    for (index_t a = 0; a < d.u().columns(); ++a) {
      std::vector<double> row(static_cast<std::size_t>(e.columns));
      for (index_t i = 0; i < e.rows; ++i)
        for (index_t j = 0; j < e.columns; ++j)
          row[static_cast<std::size_t>(j)] +=
              static_cast<double>(d.u()(i, a)) * residual[static_cast<std::size_t>(i * e.columns + j)];
      for (index_t b = 0; b < d.v().columns(); ++b) {
        double sum = 0.0;
        for (index_t j = 0; j < e.columns; ++j) sum += row[static_cast<std::size_t>(j)] * static_cast<double>(d.v()(j, b));
        projected += sum * sum;
      }
    }
  }
};

template <class Layout>
class Coordinate : public testing::Test {
 protected:
  static auto rounded(host_view<float const> w) { return halfstep::quantizer<Layout>()(serial{}, w); }
  template <class Tensor>
  static coded_matrix<grid> coded(Tensor& q) {
    return {q.codes(), q.groups(), halfstep::geometry_of<Layout>(q.extents())};
  }
};

using layouts = testing::Types<halfstep::int8_block<32>, halfstep::int8_axis, halfstep::int8_tensor>;
TYPED_TEST_SUITE(Coordinate, layouts);

TYPED_TEST(Coordinate, LowersItsObjectiveAfterRoundingWithinTheBudget) {
  extents2 const e{288, 320};
  auto const w = noise(e, 11);
  directions const d(w.view(e), 64);
  for (double const budget : {0.1, 0.5}) {
    auto q = this->rounded(w.view(e));
    losses const before(w.view(e), this->coded(q), d);
    auto const report = coordinate(budget).refine(threads(2), host_view<float const>(w.view(e)), this->coded(q), d);
    losses const after(w.view(e), this->coded(q), d);
    double const gain = 10.0 * std::log10(before.projected / after.projected);
    double const cost = 10.0 * std::log10(after.error / before.error);
    EXPECT_GT(gain, budget > 0.2 ? 12.0 : 6.0);
    EXPECT_LE(cost, budget + 0.005);
    EXPECT_NEAR(report.gain_db(), gain, 0.05);
    EXPECT_NEAR(report.cost_db(), cost, 1e-3);
    EXPECT_GT(report.moved, 0);
  }
}

TYPED_TEST(Coordinate, EveryMoveOfASweepLowersJ) {
  // One sweep at a time, J recomputed in FP64: it never rises, and moved codes are neighbours of what they were.
  extents2 const e{96, 160};
  auto const w = noise(e, 12);
  directions const d(w.view(e), 16);
  auto q = this->rounded(w.view(e));
  serial const ex;
  coordinate_sweep<grid, serial> sweep(ex, w.view(e), this->coded(q), d.u(), d.v());
  double const mu = 0.5;
  double last = 1e300;
  for (int i = 0; i < 5; ++i) {
    std::vector const codes(q.codes().data(), q.codes().data() + e.count());
    index_t const moved = sweep(mu);
    losses const now(w.view(e), this->coded(q), d);
    double const j = mu * now.error + now.projected;
    EXPECT_LT(j, last);
    if (moved == 0) break;
    last = j * (1.0 + 1e-6);
    index_t changed = 0;
    for (index_t k = 0; k < e.count(); ++k) {
      int const by = std::abs(int{q.codes().data()[k]} - int{codes[static_cast<std::size_t>(k)]});
      EXPECT_LE(by, 1);
      changed += by;
    }
    EXPECT_EQ(changed, moved);
    EXPECT_NEAR(sweep.error_square() / now.error, 1.0, 1e-5);
    EXPECT_NEAR(sweep.loss() / std::sqrt(now.projected), 1.0, 1e-3);
  }
}

TYPED_TEST(Coordinate, GivesTheSameCodesForEveryNumberOfThreads) {
  extents2 const e{320, 416};
  auto const w = noise(e, 13);
  directions const d(w.view(e), 70);
  auto one = this->rounded(w.view(e)), five = this->rounded(w.view(e));
  coordinate(0.2).refine(serial{}, host_view<float const>(w.view(e)), this->coded(one), d);
  coordinate(0.2).refine(threads(5), host_view<float const>(w.view(e)), this->coded(five), d);
  EXPECT_TRUE(std::equal(one.codes().data(), one.codes().data() + e.count(), five.codes().data()));
}

TEST(CoordinateBlocks, AMoveIsWhatTheUnblockedFormulaMakes) {
  // More rows and columns than a block has, against the formula applied element by element in the same order.
  extents2 const e{300, 130};
  auto const w = noise(e, 14);
  directions const d(w.view(e), 8);
  auto q = halfstep::quantizer<halfstep::int8_axis>()(serial{}, host_view<float const>(w.view(e)));
  coded_matrix<grid> const blocked{q.codes(), q.groups(), halfstep::geometry_of<halfstep::int8_axis>(e)};
  auto plain = halfstep::quantizer<halfstep::int8_axis>()(serial{}, host_view<float const>(w.view(e)));
  index_t const k = d.u().columns();
  double const mu = 0.05;
  std::vector<double> p(static_cast<std::size_t>(k * k));
  std::vector<double> residual(static_cast<std::size_t>(e.count()));
  auto const at = [&](index_t i, index_t j) -> double& { return residual[static_cast<std::size_t>(i * e.columns + j)]; };
  for (index_t i = 0; i < e.rows; ++i)
    for (index_t j = 0; j < e.columns; ++j) {
      at(i, j) = static_cast<double>(w[i * e.columns + j]) -
                 static_cast<double>(plain.codes()(i, j)) * static_cast<double>(plain.groups().data()[i]);
      for (index_t a = 0; a < k; ++a)
        for (index_t b = 0; b < k; ++b)
          p[static_cast<std::size_t>(a * k + b)] +=
              static_cast<double>(d.u()(i, a)) * at(i, j) * static_cast<double>(d.v()(j, b));
    }
  index_t moves = 0;
  for (index_t first = 0; first < e.columns; first += 64)
    for (index_t top = 0; top < e.rows; top += 256)
      for (index_t j = first; j < std::min<index_t>(first + 64, e.columns); ++j)
        for (index_t i = top; i < std::min<index_t>(top + 256, e.rows); ++i) {
          double pull = mu * at(i, j), uu = 0.0, vv = 0.0;
          for (index_t a = 0; a < k; ++a) {
            double t = 0.0;
            for (index_t b = 0; b < k; ++b) t += p[static_cast<std::size_t>(a * k + b)] * static_cast<double>(d.v()(j, b));
            pull += static_cast<double>(d.u()(i, a)) * t;
            uu += static_cast<double>(d.u()(i, a)) * static_cast<double>(d.u()(i, a));
            vv += static_cast<double>(d.v()(j, a)) * static_cast<double>(d.v()(j, a));
          }
          double const s = static_cast<double>(plain.groups().data()[i]);
          if (!(std::fabs(pull) > 0.5 * s * (mu + uu * vv))) continue;
          int const to = int{plain.codes()(i, j)} + (pull > 0.0 ? 1 : -1);
          if (to < -127 || to > 127) continue;
          double const by = pull > 0.0 ? s : -s;
          plain.codes()(i, j) = static_cast<std::int8_t>(to);
          at(i, j) -= by;
          ++moves;
          for (index_t a = 0; a < k; ++a)
            for (index_t b = 0; b < k; ++b)
              p[static_cast<std::size_t>(a * k + b)] -= by * static_cast<double>(d.u()(i, a)) * static_cast<double>(d.v()(j, b));
        }
  serial const ex;
  coordinate_sweep<grid, serial> sweep(ex, w.view(e), blocked, d.u(), d.v());
  sweep(mu);
  index_t different = 0;
  for (index_t i = 0; i < e.count(); ++i) different += q.codes().data()[i] != plain.codes().data()[i] ? 1 : 0;
  EXPECT_GT(moves, 300);
  EXPECT_LT(different, moves / 50);  // FP32 against FP64 near the threshold
}

TEST(CoordinateEdges, LeavesZerosExactWeightsAndTinyMatricesInPeace) {
  for (extents2 const e : {extents2{1, 1}, extents2{1, 40}, extents2{40, 1}, extents2{17, 33}}) {
    auto const w = noise(e, 15);
    directions const d(w.view(e), std::min<index_t>(4, std::min(e.rows, e.columns)));
    auto q = halfstep::quantizer<halfstep::int8_axis>()(serial{}, host_view<float const>(w.view(e)));
    coded_matrix<grid> const coded{q.codes(), q.groups(), halfstep::geometry_of<halfstep::int8_axis>(e)};
    auto const report = coordinate(0.1).refine(serial{}, host_view<float const>(w.view(e)), coded, d);
    EXPECT_LE(report.cost_db(), 0.105);
    EXPECT_LE(report.loss_after, report.loss_before * (1.0 + 1e-6));
  }
  extents2 const e{20, 30};
  host_buffer<float> zeros(e.count());
  std::fill(zeros.begin(), zeros.end(), 0.0f);
  directions const none(zeros.view(e), 4);
  auto q = halfstep::quantizer<halfstep::int8_axis>()(serial{}, host_view<float const>(zeros.view(e)));
  coded_matrix<grid> const coded{q.codes(), q.groups(), halfstep::geometry_of<halfstep::int8_axis>(e)};
  EXPECT_EQ(coordinate(0.1).refine(serial{}, host_view<float const>(zeros.view(e)), coded, none).moved, 0);
}

TEST(CoordinateWatch, IsCalledEverySweepAndMayStop) {
  extents2 const e{64, 64};
  auto const w = noise(e, 16);
  directions const d(w.view(e), 16);
  auto q = halfstep::quantizer<halfstep::int8_axis>()(serial{}, host_view<float const>(w.view(e)));
  coded_matrix<grid> const coded{q.codes(), q.groups(), halfstep::geometry_of<halfstep::int8_axis>(e)};
  std::vector const start(q.codes().data(), q.codes().data() + e.count());
  auto const still = [](int, double) { return false; };
  auto const stopped = coordinate(0.1).refine(serial{}, host_view<float const>(w.view(e)), coded, d, still);
  EXPECT_EQ(stopped.iterations, 1);
  EXPECT_LT(stopped.loss_after, stopped.loss_before) << "a finished sweep that is better and within the budget stays";
  EXPECT_LE(stopped.cost_db(), 0.105);
  std::vector const kept(q.codes().data(), q.codes().data() + e.count());
  EXPECT_NE(kept, start);
  std::copy(start.begin(), start.end(), q.codes().data());
  auto const stop = [](int, double) -> bool { throw halfstep::cancelled("enough"); };
  EXPECT_THROW(coordinate(0.1).refine(serial{}, host_view<float const>(w.view(e)), coded, d, stop), halfstep::cancelled);
  EXPECT_TRUE(std::equal(kept.begin(), kept.end(), q.codes().data())) << "an exception leaves what a refusal leaves";
  std::copy(start.begin(), start.end(), q.codes().data());
  int calls = 0;
  auto const count = [&](int, double) { return ++calls > 0; };
  auto const report = coordinate(0.1).refine(serial{}, host_view<float const>(w.view(e)), coded, d, count);
  EXPECT_EQ(calls, report.iterations);
}

}  // namespace
