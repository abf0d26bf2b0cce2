#include <halfstep/solver/mean_flip.hpp>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <vector>

#include <gtest/gtest.h>

#include <halfstep/exec/serial.hpp>
#include <halfstep/exec/threads.hpp>
#include <halfstep/layout/int8_axis.hpp>
#include <halfstep/layout/int8_block.hpp>
#include <halfstep/layout/int8_tensor.hpp>
#include <halfstep/tensor/quantizer.hpp>

#include "../support/weights.hpp"

namespace {

using halfstep::extents2;
using halfstep::host_buffer;
using halfstep::host_view;
using halfstep::index_t;
using halfstep::serial;
using halfstep::solve_report;
using grid = halfstep::symmetric_grid<127>;

/// A layer rounded to nearest, and the mean of its inputs.
struct layer {
  extents2 e;
  host_buffer<float> weight;
  host_buffer<std::int8_t> codes;
  host_buffer<float> scales;
  halfstep::group_geometry geometry;
  std::vector<float> mean;

  template <class Layout>
  static layer of(extents2 e, std::uint64_t seed = 1) {
    layer l{e, halfstep_test::noise(e, seed), host_buffer<std::int8_t>(e.count()), {}, halfstep::geometry_of<Layout>(e), {}};
    auto const q = halfstep::quantizer<Layout>()(serial{}, host_view<float const>(l.weight.view(e)));
    std::copy_n(q.codes().data(), e.count(), l.codes.data());
    l.scales = host_buffer<float>(l.geometry.groups().count());
    std::copy_n(q.groups().data(), l.scales.size(), l.scales.data());
    auto const m = halfstep_test::noise({1, e.columns}, seed + 100);
    for (index_t j = 0; j < e.columns; ++j) l.mean.push_back(j % 7 == 3 ? 0.0f : 0.3f + 20.0f * m[j]);
    return l;
  }

  template <class Executor>
  solve_report flip(Executor const& ex) {
    host_view<float const> const s = scales.view(geometry.groups());
    return halfstep::mean_flip(mean).refine(ex, weight.view(e), halfstep::coded_matrix<grid>{codes.view(e), s, geometry});
  }
  std::vector<std::int8_t> snapshot() const { return {codes.begin(), codes.end()}; }
  double error(index_t row, index_t column) const {
    float const stored = static_cast<float>(codes[row * e.columns + column]) * scales[geometry.group_of(row, column)];
    return static_cast<double>(weight[row * e.columns + column]) - static_cast<double>(stored);
  }
  double mean_error(index_t row) const {
    double c = 0.0;
    for (index_t j = 0; j < e.columns; ++j) c += error(row, j) * static_cast<double>(mean[static_cast<std::size_t>(j)]);
    return c;
  }
  double square_error() const {
    double sum = 0.0;
    for (index_t i = 0; i < e.rows; ++i)
      for (index_t j = 0; j < e.columns; ++j) sum += error(i, j) * error(i, j);
    return sum;
  }
};

void expect_better_means(layer l) {
  std::vector<double> before;
  for (index_t i = 0; i < l.e.rows; ++i) before.push_back(std::fabs(l.mean_error(i)));
  double const error_before = l.square_error();
  auto const codes = l.snapshot();
  auto const report = l.flip(serial{});
  double loss = 0.0;
  for (index_t i = 0; i < l.e.rows; ++i) {
    EXPECT_LT(std::fabs(l.mean_error(i)), before[static_cast<std::size_t>(i)]) << i;
    loss += l.mean_error(i) * l.mean_error(i);
  }
  EXPECT_NEAR(report.loss_after, std::sqrt(loss), 1e-4 * report.loss_before);
  EXPECT_LT(report.loss_after, 0.3 * report.loss_before);
  EXPECT_NEAR(report.error_before, error_before, 1e-5 * error_before);
  EXPECT_NEAR(report.error_after, l.square_error(), 1e-5 * error_before);
  EXPECT_LT(report.cost_db(), 0.05);
  index_t moved = 0;
  for (index_t i = 0; i < l.e.count(); ++i) {
    int const step = l.codes[i] - codes[static_cast<std::size_t>(i)];
    moved += step != 0 ? 1 : 0;
    EXPECT_LE(std::abs(step), 1);
    EXPECT_LE(std::abs(static_cast<int>(l.codes[i])), 127);
    EXPECT_TRUE(step == 0 || i % l.e.columns % 7 != 3) << "a code moved where the mean is zero";
  }
  EXPECT_EQ(report.moved, moved);
  EXPECT_GT(moved, 0);
}

TEST(MeanFlip, BringsTheMeanOfEveryRowNearer) {
  expect_better_means(layer::of<halfstep::int8_axis>({64, 512}));
  expect_better_means(layer::of<halfstep::int8_block<64>>({128, 512}));
  expect_better_means(layer::of<halfstep::int8_tensor>({64, 512}));
}

TEST(MeanFlip, MovesTheSameCodesOnEveryExecutor) {
  auto once = layer::of<halfstep::int8_block<32>>({1024, 1024});
  auto const report = once.flip(serial{});
  for (int const count : {2, 5}) {
    auto again = layer::of<halfstep::int8_block<32>>({1024, 1024});
    auto const r = again.flip(halfstep::threads(count));
    EXPECT_EQ(again.snapshot(), once.snapshot());
    EXPECT_EQ(r.loss_after, report.loss_after);
    EXPECT_EQ(r.error_after, report.error_after);
  }
}

TEST(MeanFlip, LeavesTheGridsLastCodesWhereTheyAre) {
  auto l = layer::of<halfstep::int8_axis>({1, 4});
  std::copy_n(std::vector<float>{130.0f, -130.0f, 126.5f, 0.25f}.data(), 4, l.weight.data());
  std::copy_n(std::vector<std::int8_t>{127, -127, 126, 0}.data(), 4, l.codes.data());
  l.scales[0] = 1.0f;
  l.mean = {1.0f, -1.0f, 0.0f, 4.0f};
  l.flip(serial{});
  EXPECT_EQ(l.snapshot(), (std::vector<std::int8_t>{127, -127, 126, 1}));
}

TEST(MeanFlip, MovesNothingForAMeanOfZeroOrAnExactRow) {
  auto l = layer::of<halfstep::int8_axis>({8, 64});
  auto const codes = l.snapshot();
  l.mean.assign(64, 0.0f);
  EXPECT_EQ(l.flip(serial{}).moved, 0);
  EXPECT_EQ(l.snapshot(), codes);
  auto exact = layer::of<halfstep::int8_axis>({1, 64});
  for (index_t j = 0; j < 64; ++j) exact.weight[j] = static_cast<float>(exact.codes[j]) * exact.scales[0];
  EXPECT_EQ(exact.flip(serial{}).moved, 0);
}

/// All ways to move some of a row's codes by one step in the direction of their error.
struct all_subsets {
  layer const& l;

  /// Calls f(set of columns, what is left of the row's mean error, the squared error added).
  template <class F>
  void for_each(F const& f) const {
    double const c = l.mean_error(0);
    for (std::uint32_t set = 0; set < (1u << l.e.columns); ++set) {
      double left = c, cost = 0.0;
      bool allowed = true;
      for (index_t j = 0; j < l.e.columns; ++j) {
        if ((set >> j & 1u) == 0) continue;
        double const e = l.error(0, j);
        double const mean = static_cast<double>(l.mean[static_cast<std::size_t>(j)]);
        double const s = static_cast<double>(l.scales[0]);
        allowed = allowed && e * mean * c > 0.0 && l.codes[j] + (e > 0 ? 1 : -1) <= 127 && l.codes[j] + (e > 0 ? 1 : -1) >= -127;
        left -= (e > 0 ? s : -s) * mean;
        cost += s * s - 2.0 * s * std::fabs(e);
      }
      if (allowed) f(set, left, cost);
    }
  }
};

TEST(MeanFlip, IsNoDearerThanTheBestSetOfMovesThatTakesAsMuch) {
  int prefixes = 0, skipped = 0;
  for (std::uint64_t seed = 0; seed < 400; ++seed) {
    auto const before = layer::of<halfstep::int8_axis>({1, 9}, seed);
    auto after = layer::of<halfstep::int8_axis>({1, 9}, seed);
    after.flip(serial{});
    double const c = before.mean_error(0);
    double const left = after.mean_error(0);
    double const spent = after.square_error() - before.square_error();
    std::uint32_t moved = 0;
    for (index_t j = 0; j < 9; ++j) moved |= static_cast<std::uint32_t>(after.codes[j] != before.codes[j]) << j;
    double cheapest = 1e30, dearest_moved = -1e30, cheapest_left = 1e30;
    bool improvable = false;
    all_subsets{before}.for_each([&](std::uint32_t set, double rest, double cost) {
      if ((c - rest) * (c > 0 ? 1 : -1) >= (c - left) * (c > 0 ? 1 : -1) - 1e-9) cheapest = std::min(cheapest, cost);
      if ((set & (set - 1)) != 0 || set == 0) return;
      double const price = cost / std::fabs(c - rest);
      (set & moved ? dearest_moved : cheapest_left) =
          set & moved ? std::max(dearest_moved, price) : std::min(cheapest_left, price);
      improvable = improvable || (!(set & moved) && std::fabs(left - (c - rest)) < std::fabs(left) * (1 - 1e-6));
    });
    EXPECT_LE(std::fabs(left), std::fabs(c)) << seed;
    EXPECT_TRUE(!improvable || std::fabs(left) <= 0.05 * std::fabs(c)) << seed;
    if (dearest_moved > cheapest_left) {  // a cheap move was passed over because it went too far
      ++skipped;
      continue;
    }
    ++prefixes;
    EXPECT_LE(spent, cheapest + 1e-9) << seed;
  }
  EXPECT_GT(prefixes, 100);
  EXPECT_GT(skipped, 10);
}

TEST(MeanFlip, RefusesAMeanOfAnotherLength) {
  auto l = layer::of<halfstep::int8_axis>({2, 8});
  l.mean.pop_back();
  EXPECT_THROW(l.flip(serial{}), halfstep::shape_error);
}

}  // namespace
