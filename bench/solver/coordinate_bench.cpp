// Learned rounding of one 3072 x 3072 layer, k = 614, on 2 threads: the directions, the descent, and what they mean for a model.

#include <algorithm>
#include <utility>

#include <benchmark/benchmark.h>

#include <halfstep/exec/threads.hpp>
#include <halfstep/layout/int8_axis.hpp>
#include <halfstep/linalg/gemm.hpp>
#include <halfstep/linalg/singular.hpp>
#include <halfstep/objective/principal.hpp>
#include <halfstep/recipe/solve_options.hpp>
#include <halfstep/solver/coordinate.hpp>
#include <halfstep/tensor/quantizer.hpp>

#include "../support/seconds.hpp"
#include "generated_layer.hpp"

namespace {

using halfstep::extents2;
using halfstep::host_buffer;
using halfstep::host_view;
using halfstep::index_t;

constexpr extents2 shape{3072, 3072};

/// The linear layers of one of the 24 blocks of a T5-XXL encoder.
struct layers_of_shape {
  extents2 shape;
  int count;
};
constexpr layers_of_shape t5_xxl_block[] = {{{4096, 4096}, 4}, {{10240, 4096}, 2}, {{4096, 10240}, 1}};
constexpr int t5_xxl_blocks = 24;

halfstep::threads const team(2);

double rank_of(extents2 e) { return static_cast<double>(halfstep::solve_options{}.rank(e)); }

/// The flops of `leading_singular_vectors`, with q = k + 10. Left out, and so paid for by the rate: the eigenvectors of a
/// q x q matrix, which one thread finds.
double svd_flops(extents2 e) {
  double const m = static_cast<double>(e.rows), n = static_cast<double>(e.columns), k = rank_of(e), q = k + 10.0;
  double const products = 6.0 * 2.0 * m * n * q;                                  // of the weight or its transpose with q columns
  double const grams = (4.0 * m + 3.0 * n) * q * q + n * k * k;                   // one triangle of each, in FP64
  double const triangular = 2.0 * (4.0 * m + 2.0 * n) * q * q + 2.0 * n * k * k;  // columns times an inverse factor
  double const factors = 7.0 * 2.0 / 3.0 * q * q * q;                             // Cholesky and the inverse, in FP64
  double const turns = 2.0 * (m + n) * q * k;                                     // to the singular vectors
  return products + grams + triangular + factors + turns;
}

/// The flops of one sweep that moves nothing: U times 64 columns for every block, the columns of P V, and P's update. Moves cost
/// 2 k more each and are left out.
double sweep_flops(extents2 e) {
  double const m = static_cast<double>(e.rows), n = static_cast<double>(e.columns), k = rank_of(e);
  return 2.0 * m * n * k + 4.0 * n * k * k;
}

host_view<float const> weight() {
  static auto const w = halfstep_bench::generated_layer(halfstep_bench::layer_kind::scaled_gaussian, shape);
  return w.view(shape);
}

/// The flops a second of the library's product of two 3072 x 3072 matrices, the best of those measured so far.
double gemm_rate() {
  static host_buffer<float> out(shape.count());
  static double best = 0.0;
  for (int i = 0; i < 3; ++i) {
    double const time = halfstep_bench::wall_seconds([&] { halfstep::gemm(team, weight(), weight(), out.view(shape)); });
    best = std::max(best, 2.0 * static_cast<double>(shape.rows * shape.count()) / time);
  }
  return best;
}

halfstep::singular_vectors directions() {
  return halfstep::leading_singular_vectors(team, weight(), halfstep::solve_options{}.rank(shape), halfstep::philox(1));
}

void gemm_3072(benchmark::State& state) {
  for (auto _ : state) state.SetIterationTime(2.0 * static_cast<double>(shape.rows * shape.count()) / gemm_rate());
  state.counters["GFLOP/s"] = gemm_rate() * 1e-9;
}

double best_svd_seconds = 1e9;

void svd(benchmark::State& state) {
  double best = 1e9;
  double const before = gemm_rate();
  for (auto _ : state) {
    double const time = halfstep_bench::wall_seconds([] { benchmark::DoNotOptimize(directions()); });
    state.SetIterationTime(time);
    best = std::min(best, time);
  }
  best_svd_seconds = best;
  double const rate = svd_flops(shape) / best;
  state.counters["GFLOP/s"] = rate * 1e-9;
  state.counters["of_gemm"] = rate / std::max(before, gemm_rate());
  double t5 = 0.0;
  for (auto const& layers : t5_xxl_block) t5 += t5_xxl_blocks * layers.count * svd_flops(layers.shape) / rate;
  state.counters["t5_xxl_minutes"] = t5 / 60.0;
}

/// The argument is the budget in hundredths of a dB.
void descent(benchmark::State& state) {
  static auto found = directions();
  static auto const rank = found.rank();
  static halfstep::principal const objective(std::move(found.u), std::move(found.v), shape.rows, shape.columns, rank);
  using grid = halfstep::symmetric_grid<127>;
  auto const nearest = halfstep::quantizer<halfstep::int8_axis>()(team, weight());
  auto q = halfstep::quantizer<halfstep::int8_axis>()(team, weight());
  halfstep::coordinate const solve(0.01 * static_cast<double>(state.range(0)));
  halfstep::solve_report report;
  double best = 1e9;
  for (auto _ : state) {
    std::copy_n(nearest.codes().data(), shape.count(), q.codes().data());
    double const time = halfstep_bench::wall_seconds([&] {
      report = solve.refine(
          team, weight(), halfstep::coded_matrix<grid>{q.codes(), q.groups(), halfstep::geometry_of<halfstep::int8_axis>(shape)},
          objective);
    });
    state.SetIterationTime(time);
    best = std::min(best, time);
  }
  double const flops = sweep_flops(shape) * report.iterations;
  state.counters["sweeps"] = report.iterations;
  state.counters["gain_dB"] = report.gain_db();
  state.counters["cost_dB"] = report.cost_db();
  state.counters["GFLOP/s"] = flops / best * 1e-9;
  state.counters["of_gemm"] = flops / best / gemm_rate();
  state.counters["with_svd_s"] = best + best_svd_seconds;
  double t5 = 0.0;
  for (auto const& layers : t5_xxl_block)
    t5 += t5_xxl_blocks * layers.count * sweep_flops(layers.shape) * report.iterations / (flops / best);
  state.counters["t5_xxl_minutes"] = t5 / 60.0;
}

BENCHMARK(gemm_3072)->UseManualTime()->Unit(benchmark::kSecond)->Iterations(3);
BENCHMARK(svd)->UseManualTime()->Unit(benchmark::kSecond)->Iterations(5);
BENCHMARK(descent)->ArgName("budget_cdB")->Arg(10)->Arg(50)->UseManualTime()->Unit(benchmark::kSecond)->Iterations(3);

}  // namespace
