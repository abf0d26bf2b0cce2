// What learned rounding by gradients promises: codes move, the objective falls after rounding, the budget holds.
#include <algorithm>
#include <cmath>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include <halfstep/exec/serial.hpp>
#include <halfstep/exec/threads.hpp>
#include <halfstep/layout/int8_axis.hpp>
#include <halfstep/layout/int8_block.hpp>
#include <halfstep/layout/int8_tensor.hpp>
#include <halfstep/linalg/gemm.hpp>
#include <halfstep/linalg/singular.hpp>
#include <halfstep/objective/hessian.hpp>
#include <halfstep/objective/mean_square.hpp>
#include <halfstep/objective/principal.hpp>
#include <halfstep/optimizer/adamw.hpp>
#include <halfstep/optimizer/adaptive_rate.hpp>
#include <halfstep/optimizer/constant_rate.hpp>
#include <halfstep/optimizer/gradient.hpp>
#include <halfstep/optimizer/prodigy.hpp>
#include <halfstep/optimizer/radam.hpp>
#include <halfstep/solver/descent.hpp>
#include <halfstep/tensor/quantizer.hpp>

#include "../support/weights.hpp"

namespace {

using halfstep::adaptive_rate;
using halfstep::descent;
using halfstep::descent_settings;
using halfstep::extents2;
using halfstep::host_buffer;
using halfstep::host_view;
using halfstep::index_t;
using halfstep::serial;
using halfstep::threads;
using halfstep_test::noise;
using grid = halfstep::symmetric_grid<127>;

/// Bell-shaped weights of unequal rows and columns with some structure in them, as layers have.
host_buffer<float> layer(extents2 e, std::uint64_t seed = 1, float spread = 8.0f) {
  auto w = noise(e, seed);
  auto const row = noise({e.rows, 2}, seed + 1), column = noise({e.columns, 2}, seed + 2);
  for (index_t i = 0; i < e.rows; ++i)
    for (index_t j = 0; j < e.columns; ++j)
      w[i * e.columns + j] = w[i * e.columns + j] * std::exp(spread * (row[2 * i] + 0.5f * column[2 * j])) +
                             4.0f * row[2 * i + 1] * column[2 * j + 1];
  return w;
}

/// A layer, its principal directions, and its codes by round to nearest.
template <class Layout>
struct scene {
  extents2 e;
  host_buffer<float> weights;
  halfstep::principal objective;
  halfstep::quantized_tensor<Layout, halfstep::host_space> q;

  explicit scene(extents2 shape, std::uint64_t seed = 1) : scene(shape, layer(shape, seed)) {}

  scene(extents2 shape, host_buffer<float> w)
      : e(shape), weights(std::move(w)), objective(directions()), q(halfstep::quantizer<Layout>()(serial{}, weight())) {}

  host_view<float const> weight() const { return weights.view(e); }
  halfstep::coded_matrix<grid> coded() {
    return {q.codes(), host_view<float const>(q.groups()), halfstep::geometry_of<Layout>(e)};
  }
  std::vector<std::int8_t> codes() { return {q.codes().data(), q.codes().data() + e.count()}; }

  halfstep::principal directions() const {
    auto found = halfstep::leading_singular_vectors(serial{}, weight(), std::min(e.rows, e.columns) / 5 + 1, halfstep::philox(1));
    auto const k = static_cast<index_t>(found.values.size());
    return {std::move(found.u), std::move(found.v), e.rows, e.columns, k};
  }

  /// The objective and |E|^2 of the codes as they are, apart from what the solver reports.
  std::pair<double, double> measured() {
    host_buffer<float> residual(e.count());
    auto const c = coded();
    double square = 0.0;
    for (index_t i = 0; i < e.rows; ++i)
      for (index_t j = 0; j < e.columns; ++j) {
        float const left = weights[i * e.columns + j] - grid::decode(c.codes(i, j), c.step(i, j));
        residual[i * e.columns + j] = left;
        square += static_cast<double>(left) * left;
      }
    return {objective.loss(serial{}, host_view<float const>(residual.view(e))), square};
  }
};

template <class Layout>
class Descent : public testing::Test {};

using layouts = testing::Types<halfstep::int8_axis, halfstep::int8_block<16>, halfstep::int8_tensor>;
TYPED_TEST_SUITE(Descent, layouts);

template <class Layout, class Optimizer>
void expect_gain(Optimizer optimizer, double gain_db) {
  SCOPED_TRACE(Optimizer::name);
  for (double const budget : {0.05, 0.5}) {
    scene<Layout> s({96, 160});
    auto const before = s.codes();
    auto const [loss_before, error_before] = s.measured();
    auto const report = descent(optimizer, adaptive_rate(Optimizer::default_rate), {200, budget})
                            .refine(serial{}, s.weight(), s.coded(), s.objective);
    auto const [loss, error] = s.measured();
    EXPECT_NEAR(report.loss_before, loss_before, 1e-5 * loss_before);
    EXPECT_NEAR(report.loss_after, loss, 1e-4 * loss_before);
    EXPECT_NEAR(report.error_before, error_before, 1e-6 * error_before);
    EXPECT_NEAR(report.error_after, error, 1e-6 * error);
    EXPECT_LE(10.0 * std::log10(error / error_before), budget + 0.005);
    auto const after = s.codes();
    index_t moved = 0;
    for (std::size_t i = 0; i < before.size(); ++i) {
      moved += before[i] != after[i] ? 1 : 0;
      ASSERT_LE(std::abs(before[i] - after[i]), 1) << "far further than the budget can want";
    }
    EXPECT_GT(moved, 50);
    EXPECT_EQ(report.moved, moved);
    EXPECT_GT(20.0 * std::log10(loss_before / loss), budget > 0.1 ? gain_db : gain_db / 4) << "at a budget of " << budget;
  }
}

TYPED_TEST(Descent, MovesCodesAndLowersItsObjectiveAfterRoundingWithinTheBudget) {
  expect_gain<TypeParam>(halfstep::adamw{}, 8.0);
  expect_gain<TypeParam>(halfstep::radam{}, 8.0);
  expect_gain<TypeParam>(halfstep::prodigy{}, 8.0);
  expect_gain<TypeParam>(halfstep::gradient{}, 5.0);
}

TEST(Descent, GivesTheSameCodesForAnyNumberOfThreads) {
  auto const run = [](auto optimizer, int count) {
    scene<halfstep::int8_axis> s({400, 600});
    auto const report = descent(optimizer, adaptive_rate(optimizer.default_rate), {12, 0.5})
                            .refine(threads(count), s.weight(), s.coded(), s.objective);
    return std::tuple(s.codes(), report.loss_after, report.error_after, report.moved);
  };
  for (int const count : {2, 5}) {
    EXPECT_EQ(run(halfstep::adamw{}, 1), run(halfstep::adamw{}, count));
    EXPECT_EQ(run(halfstep::prodigy{}, 1), run(halfstep::prodigy{}, count));
    EXPECT_EQ(run(halfstep::gradient{}, 1), run(halfstep::gradient{}, count));
  }
  EXPECT_GT(std::get<3>(run(halfstep::gradient{}, 1)), 0);
}

TEST(Descent, LeavesTheCodesWhereNothingIsBetter) {
  scene<halfstep::int8_axis> s({48, 80});
  auto const before = s.codes();
  auto const report = descent(halfstep::adamw{}, adaptive_rate(0.01f), {50, 1.0})
                          .refine(serial{}, s.weight(), s.coded(), halfstep::mean_square{});
  EXPECT_EQ(s.codes(), before);
  EXPECT_EQ(report.moved, 0);
  EXPECT_EQ(report.loss_after, report.loss_before);
}

TEST(Descent, LowersAnObjectiveWhoseGradientNeedsMemoryOfItsOwn) {
  extents2 const e{48, 64};
  scene<halfstep::int8_axis> s(e);
  extents2 const rows{96, e.columns};
  auto x = noise(rows, 11);
  for (index_t i = 0; i < x.size(); ++i) x[i] += 0.05f;
  host_buffer<float> h(e.columns * e.columns);
  halfstep::gemm(serial{}, host_view<float const>(x.view(rows)), halfstep::operand::transposed,
                 host_view<float const>(x.view(rows)), halfstep::operand::plain, h.view({e.columns, e.columns}));
  halfstep::hessian const objective(serial{}, std::move(h), e.columns);
  static_assert(!halfstep::has_gradient_in_place<halfstep::hessian>);
  auto const report =
      descent(halfstep::adamw{}, adaptive_rate(3e-4f), {200, 1.0}).refine(serial{}, s.weight(), s.coded(), objective);
  EXPECT_GT(report.gain_db(), 2.0);
  EXPECT_LE(report.cost_db(), 1.005);
  host_buffer<float> residual(e.count());
  auto const c = s.coded();
  for (index_t i = 0; i < e.rows; ++i)
    for (index_t j = 0; j < e.columns; ++j)
      residual[i * e.columns + j] = s.weights[i * e.columns + j] - grid::decode(c.codes(i, j), c.step(i, j));
  EXPECT_NEAR(objective.loss(serial{}, host_view<float const>(residual.view(e))), report.loss_after, 1e-3 * report.loss_after);
}

TEST(Descent, WorksOnCoarserGrids) {
  using coarse = halfstep::symmetric_grid<7>;
  extents2 const e{64, 96};
  scene<halfstep::int8_axis> s(e);
  host_buffer<float> scales(e.rows);
  host_buffer<std::int8_t> codes(e.count());
  for (index_t i = 0; i < e.rows; ++i) {
    scales[i] = s.coded().scales(i, 0) * 127.0f / 7.0f;
    for (index_t j = 0; j < e.columns; ++j)
      codes[i * e.columns + j] = coarse::locate(s.weights[i * e.columns + j], coarse::unpack(scales[i])).nearer;
  }
  halfstep::coded_matrix<coarse> const q{codes.view(e), host_view<float const>(scales.view({e.rows, 1})),
                                         halfstep::geometry_of<halfstep::int8_axis>(e)};
  auto const report = descent(halfstep::adamw{}, adaptive_rate(3e-4f), {200, 0.5}).refine(serial{}, s.weight(), q, s.objective);
  EXPECT_GT(report.gain_db(), 6.0);
  for (std::int8_t const code : codes) ASSERT_LE(std::abs(code), 7);
}

TEST(Descent, IsNeverWorseThanTheCodesThatCameIn) {
  scene<halfstep::int8_axis> s({64, 96});
  static_cast<void>(
      descent(halfstep::adamw{}, adaptive_rate(3e-4f), {300, 0.5}).refine(serial{}, s.weight(), s.coded(), s.objective));
  auto const good = s.codes();
  double const loss = s.measured().first;
  auto const report =
      descent(halfstep::gradient{}, halfstep::constant_rate{3.0f}, {5, 0.5}).refine(serial{}, s.weight(), s.coded(), s.objective);
  EXPECT_EQ(s.codes(), good) << "steps as long as these only do harm";
  EXPECT_EQ(report.moved, 0);
  EXPECT_NEAR(report.loss_after, loss, 1e-4 * loss);
}

TEST(Descent, SpendsNothingWithoutABudget) {
  scene<halfstep::int8_axis> s({48, 80});
  auto const before = s.codes();
  auto const report =
      descent(halfstep::prodigy{}, adaptive_rate(1.0f), {60, 0.0}).refine(serial{}, s.weight(), s.coded(), s.objective);
  EXPECT_LE(report.error_after, report.error_before);
  EXPECT_EQ(s.codes(), before);
  EXPECT_THROW(descent(halfstep::prodigy{}, adaptive_rate(1.0f), {60, -0.1}), halfstep::value_error);
  EXPECT_THROW(descent(halfstep::prodigy{}, adaptive_rate(1.0f), {60, std::nan("")}), halfstep::value_error);
}

TEST(Descent, TakesZerosASingleRowASingleColumnAndNothing) {
  scene<halfstep::int8_axis> s({32, 48});
  std::fill(s.weights.begin(), s.weights.end(), 0.0f);
  s.q = halfstep::quantizer<halfstep::int8_axis>()(serial{}, s.weight());
  auto const report =
      descent(halfstep::adamw{}, adaptive_rate(0.01f), {20, 0.5}).refine(serial{}, s.weight(), s.coded(), s.objective);
  EXPECT_EQ(report.moved, 0);
  EXPECT_EQ(report.iterations, 0) << "there is nothing to do";
  for (std::int8_t const code : s.codes()) EXPECT_EQ(code, 0);
  for (extents2 const e : {extents2{1, 64}, extents2{64, 1}}) {
    scene<halfstep::int8_tensor> thin(e);
    double const before = thin.measured().first;
    static_cast<void>(descent(halfstep::adamw{}, adaptive_rate(0.01f), {40, 0.5})
                          .refine(serial{}, thin.weight(), thin.coded(), thin.objective));
    EXPECT_LT(thin.measured().first, before);
  }
  halfstep::coded_matrix<grid> const nothing{{}, {}, {{0, 0}, 1, 1}};
  EXPECT_EQ(descent(halfstep::adamw{}, adaptive_rate(0.01f), {}).refine(serial{}, {}, nothing, halfstep::mean_square{}).moved, 0);
}

TEST(Descent, WorksOnScalesBeyondTheFastQuotient) {
  for (float const size : {1e-36f, 1e36f}) {
    extents2 const e{48, 64};
    auto weights = noise(e, 5);
    for (float& w : weights) w *= size;
    auto q = halfstep::quantizer<halfstep::int8_axis>()(serial{}, host_view<float const>(weights.view(e)));
    std::vector<std::int8_t> const nearest(q.codes().data(), q.codes().data() + e.count());
    host_buffer<std::int8_t> codes(e.count());
    host_buffer<float> shift(e.count()), residue(e.count());
    std::fill(shift.begin(), shift.end(), 0.0f);
    halfstep::coded_matrix<grid> const c{q.codes(), host_view<float const>(q.groups()),
                                         halfstep::geometry_of<halfstep::int8_axis>(e)};
    halfstep::shifted_rounding<grid> const round(serial{}, weights.view(e), c);
    round(serial{}, host_view<float const>(shift.view(e)), codes.view(e), residue.view(e));
    EXPECT_TRUE(std::equal(nearest.begin(), nearest.end(), codes.begin()));
  }
}

TEST(Descent, StopsWhereItsWatcherSaysSo) {
  scene<halfstep::int8_axis> s({48, 80});
  std::vector<double> seen;
  auto const report = descent(halfstep::adamw{}, adaptive_rate(3e-3f), {50, 0.5})
                          .refine(serial{}, s.weight(), s.coded(), s.objective, [&](int iteration, double left) {
                            seen.push_back(left);
                            EXPECT_EQ(static_cast<std::size_t>(iteration), seen.size());
                            return iteration < 7;
                          });
  EXPECT_EQ(report.iterations, 7);
  EXPECT_EQ(seen.size(), 7u);
  EXPECT_TRUE(std::is_sorted(seen.rbegin(), seen.rend())) << "the best loss never rises";
  EXPECT_LE(seen.front(), 1.0);
  EXPECT_EQ(seen.back(), report.loss_after / report.loss_before);
}

TEST(Descent, RefusesShapesThatDoNotGoTogether) {
  scene<halfstep::int8_axis> s({48, 80});
  auto c = s.coded();
  c.geometry.extents = {80, 48};
  EXPECT_THROW(descent(halfstep::adamw{}, adaptive_rate(3e-3f), {}).refine(serial{}, s.weight(), c, s.objective),
               halfstep::shape_error);
}

// The Python tools that this library follows optimize the *dequantized* tensor and round it at the end. At their own defaults
// (plain gradient, rate 8.0773e-3, adaptive schedule, 1000 iterations) their gradient of length 1, spread over all weights, moves
// a weight by a small part of half a step: every code comes back. `descent` starts from the unrounded weight instead.
TEST(Descent, WouldMoveNoCodeIfItStartedFromTheRoundedOnes) {
  scene<halfstep::int8_axis> s({384, 384}, layer({384, 384}, 1, 3.0f));
  auto const before = s.codes();
  auto const c = s.coded();
  extents2 const e = s.e;
  host_buffer<float> relaxed(e.count()), residual(e.count()), slope(e.count()), best(e.count());
  for (index_t i = 0; i < e.rows; ++i)
    for (index_t j = 0; j < e.columns; ++j) relaxed[i * e.columns + j] = static_cast<float>(c.codes(i, j));
  std::copy(relaxed.begin(), relaxed.end(), best.begin());
  adaptive_rate schedule(8.077300000003e-3f);
  double best_loss = 0.0, first_loss = 0.0;
  halfstep::progress now{e, 0, 0.0, 0};
  for (; now.iteration < 1000; ++now.iteration) {
    for (index_t i = 0; i < e.rows; ++i)
      for (index_t j = 0; j < e.columns; ++j)
        residual[i * e.columns + j] = s.weights[i * e.columns + j] - relaxed[i * e.columns + j] * c.step(i, j).scale;
    now.loss = s.objective.gradient(threads(2), host_view<float const>(residual.view(e)), slope.view(e));
    if (now.iteration == 0) first_loss = best_loss = now.loss;
    ++now.stall;
    if (now.loss < best_loss) {
      best_loss = now.loss;
      now.stall = 0;
      std::copy(relaxed.begin(), relaxed.end(), best.begin());
    }
    float const rate = schedule.rate(now);
    if (schedule.done(now)) break;
    for (index_t i = 0; i < e.rows; ++i)
      for (index_t j = 0; j < e.columns; ++j) relaxed[i * e.columns + j] += rate * c.step(i, j).scale * slope[i * e.columns + j];
  }
  EXPECT_LT(best_loss, first_loss) << "its own loss falls, before rounding";
  index_t moved = 0;
  for (index_t i = 0; i < e.count(); ++i) moved += std::lrint(best[i]) != before[static_cast<std::size_t>(i)] ? 1 : 0;
  EXPECT_EQ(moved, 0);
  auto const ours = descent(halfstep::gradient{}, adaptive_rate(8.077300000003e-3f), {100, 0.5})
                        .refine(threads(2), s.weight(), s.coded(), s.objective);
  EXPECT_GT(ours.moved, 1000);
}

}  // namespace
