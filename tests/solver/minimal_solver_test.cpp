// The least that a grid, an objective and a solver have to be, through every algorithm that changes codes; and what watchers
// mean.
#include <algorithm>
#include <cmath>
#include <functional>
#include <string_view>
#include <vector>

#include <gtest/gtest.h>

#include <halfstep/exec/any_host.hpp>
#include <halfstep/exec/serial.hpp>
#include <halfstep/exec/threads.hpp>
#include <halfstep/layout/absmax_scale.hpp>
#include <halfstep/layout/e4m3_grid.hpp>
#include <halfstep/layout/geometry/per_row.hpp>
#include <halfstep/layout/scaled.hpp>
#include <halfstep/layout/symmetric_grid.hpp>
#include <halfstep/linalg/gram.hpp>
#include <halfstep/linalg/singular.hpp>
#include <halfstep/objective/hessian.hpp>
#include <halfstep/objective/mean_square.hpp>
#include <halfstep/objective/principal.hpp>
#include <halfstep/optimizer/adamw.hpp>
#include <halfstep/optimizer/adaptive_rate.hpp>
#include <halfstep/solver/coordinate.hpp>
#include <halfstep/solver/descent.hpp>
#include <halfstep/solver/error_feedback.hpp>
#include <halfstep/solver/mean_flip.hpp>
#include <halfstep/solver/scale_search.hpp>
#include <halfstep/tensor/quantizer.hpp>

#include "../support/minimal_grid.hpp"
#include "../support/weights.hpp"

namespace {

using halfstep::extents2;
using halfstep::host_buffer;
using halfstep::host_view;
using halfstep::index_t;
using halfstep::serial;
using halfstep::solve_report;
using halfstep::threads;
using halfstep_test::noise;

using gradient_solver = halfstep::descent<halfstep::adamw, halfstep::adaptive_rate>;

template <class Grid>
struct rows_of : halfstep::scaled<Grid, halfstep::per_row, halfstep::absmax_scale<-30>> {
  static constexpr std::string_view name = "rows";
};

/// A layer of 512 rows rounded to nearest, its leading directions, and what its inputs tell.
template <class Grid>
struct layer {
  extents2 e{512, 96};
  host_buffer<float> weights = noise(e, 7);
  halfstep::quantized_tensor<rows_of<Grid>> q = halfstep::quantizer<rows_of<Grid>>()(serial{}, weight());
  std::vector<typename Grid::code_type> start = codes();
  std::vector<float> mean;
  halfstep::principal directions = found(weight());
  halfstep::hessian moments = moments_of_inputs(e.columns);

  layer() {
    for (index_t j = 0; j < e.columns; ++j) mean.push_back(0.1f * static_cast<float>(j % 5) - 0.15f);
  }

  host_view<float const> weight() const { return weights.view(e); }
  halfstep::coded_matrix<Grid> coded() { return {q.codes(), q.groups(), halfstep::geometry_of<rows_of<Grid>>(e)}; }
  std::vector<typename Grid::code_type> codes() { return {q.codes().data(), q.codes().data() + e.count()}; }
  void reset() { std::copy(start.begin(), start.end(), q.codes().data()); }

  static halfstep::principal found(host_view<float const> w) {
    auto s = halfstep::leading_singular_vectors(serial{}, w, 12, halfstep::philox(1));
    auto const rank = s.rank();
    return {std::move(s.u), std::move(s.v), w.rows(), w.columns(), rank};
  }
  static halfstep::hessian moments_of_inputs(index_t columns) {
    host_buffer<float> h(columns * columns);
    std::fill(h.begin(), h.end(), 0.0f);
    auto x = noise({300, columns}, 3);
    for (index_t i = 0; i < 300; ++i)
      for (index_t j = 1; j < columns; ++j) x[i * columns + j] += 0.8f * x[i * columns + j - 1];
    halfstep::add_gram(serial{}, host_view<float const>(x.view({300, columns})), h.view({columns, columns}));
    return {serial{}, std::move(h), columns};
  }
};

template <class Grid>
class EverySolver : public testing::Test {};
constexpr serial one;
using grids = testing::Types<halfstep_test::minimal_grid, halfstep::symmetric_grid<127>, halfstep::e4m3_grid>;
TYPED_TEST_SUITE(EverySolver, grids);

using halfstep::any_host;
using watcher = std::function<bool(int, double)>;

/// Calls `f(name, refine)` for every solver, where `refine(executor, layer, watch)` runs it.
template <class Grid, class F>
void for_each_solver(F const& f) {
  static_assert(halfstep::check_solver<halfstep::coordinate, Grid, halfstep::principal>() &&
                halfstep::check_solver<gradient_solver, Grid, halfstep::principal>() &&
                halfstep::check_solver<halfstep::error_feedback<>, Grid, halfstep::hessian>() &&
                halfstep::check_solver<halfstep::mean_flip, Grid>());
  f("coordinate", [](any_host const& ex, layer<Grid>& l, watcher const& watch) {
    return halfstep::coordinate(0.5).refine(ex, l.weight(), l.coded(), l.directions, watch);
  });
  f("descent", [](any_host const& ex, layer<Grid>& l, watcher const& watch) {
    return gradient_solver(halfstep::adamw{}, halfstep::adaptive_rate(halfstep::adamw::default_rate), {60, 0.5})
        .refine(ex, l.weight(), l.coded(), l.directions, watch);
  });
  f("error feedback", [](any_host const& ex, layer<Grid>& l, watcher const& watch) {
    return halfstep::error_feedback<>({.polish = 2, .piece_rows = 128}).refine(ex, l.weight(), l.coded(), l.moments, watch);
  });
  f("mean flip", [](any_host const& ex, layer<Grid>& l, watcher const& watch) {
    return halfstep::mean_flip(l.mean).refine(ex, l.weight(), l.coded(), watch);
  });
}

TYPED_TEST(EverySolver, LowersItsObjectiveAndTellsItsWatcherWhatIsLeft) {
  for_each_solver<TypeParam>([](char const* name, auto const& refine) {
    SCOPED_TRACE(name);
    layer<TypeParam> l, same;
    threads const two(2);
    int steps = 0;
    double left = 1.0;
    solve_report const report = refine(any_host(two), l, [&](int done, double now) {
      EXPECT_EQ(done, ++steps);
      EXPECT_GE(now, 0.0);
      EXPECT_LE(now, 1.0);
      left = now;
      return true;
    });
    EXPECT_GT(steps, 0);
    EXPECT_LT(report.loss_after, 0.98 * report.loss_before);
    EXPECT_NEAR(left, report.loss_after / report.loss_before, 1e-3);
    EXPECT_GT(report.moved, 0);
    refine(any_host(one), same, halfstep::keep_going{});
    EXPECT_EQ(l.codes(), same.codes());
    for (auto const code : l.codes()) {  // codes of the grid: a number of it comes back to itself
      auto const s = TypeParam::unpack(0.5f);
      ASSERT_EQ(TypeParam::decode(halfstep::on_grid<TypeParam>::locate(TypeParam::decode(code, s), s).nearer, s),
                TypeParam::decode(code, s));
    }
  });
}

TYPED_TEST(EverySolver, StoppedKeepsWhatIsFinishedAndNoWorse) {
  for_each_solver<TypeParam>([](char const* name, auto const& refine) {
    SCOPED_TRACE(name);
    layer<TypeParam> stopped, thrown;
    double left = 1.0;
    int const last = std::string_view(name) == "mean flip" ? 1 : 3;  // steps; this layer is one of mean_flip
    auto const report = refine(any_host(one), stopped, [&](int done, double now) {
      left = now;
      return done < last;
    });
    EXPECT_LE(report.loss_after, report.loss_before);
    EXPECT_NEAR(report.loss_after, left * report.loss_before, 1e-3 * report.loss_before);
    EXPECT_THROW(refine(any_host(one), thrown,
                        [&](int done, double) {
                          if (done == last) throw halfstep::cancelled("enough");
                          return true;
                        }),
                 halfstep::cancelled);
    EXPECT_EQ(thrown.codes(), stopped.codes()) << "an exception leaves what a refusal leaves";
  });
}

TYPED_TEST(EverySolver, ScaleSearchLosesNoMoreThanTheLargestMagnitudes) {
  using halfstep::scale_criterion;
  for (auto const criterion : {scale_criterion::bounded, scale_criterion::mse}) {
    layer<TypeParam> l;
    host_buffer<float> scales(l.e.rows);
    std::copy_n(l.q.groups().data(), l.e.rows, scales.data());
    std::vector<float> const weights(static_cast<std::size_t>(l.e.columns), 1.0f);
    halfstep::scale_search<TypeParam>{criterion}(threads(2), l.weight(), halfstep::geometry_of<rows_of<TypeParam>>(l.e), weights,
                                                 scales.view({l.e.rows, 1}));
    double before = 0.0, after = 0.0;
    for (index_t row = 0; row < l.e.rows; ++row)
      for (index_t k = 0; k < l.e.columns; ++k) {
        auto const off = [&](float scale) {
          auto const s = TypeParam::unpack(scale);
          double const x = l.weight()(row, k);
          return std::pow(x - static_cast<double>(TypeParam::decode(TypeParam::locate(l.weight()(row, k), s).nearer, s)), 2);
        };
        before += off(l.q.groups()(row, 0));
        after += off(scales[row]);
      }
    EXPECT_LT(after, before);
  }
}

/// Moves nothing: the least that is a solver.
struct contented {
  solve_report refine(auto const&, host_view<float const>, auto const&, auto const&, auto const&... watch) const {
    static_assert(sizeof...(watch) <= 1);
    return {};
  }
};
static_assert(halfstep::check_solver<contented, halfstep_test::minimal_grid, halfstep::mean_square>());
static_assert(halfstep::solver<contented, halfstep_test::minimal_grid, halfstep::mean_square>);

}  // namespace
