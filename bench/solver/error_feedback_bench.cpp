// Error feedback and the sums it needs, as shares of what a product of two matrices reaches in the same run, on 2 threads.

#include <sys/resource.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <utility>
#include <vector>

#include <benchmark/benchmark.h>

#include <halfstep/core/random.hpp>
#include <halfstep/core/source.hpp>
#include <halfstep/exec/threads.hpp>
#include <halfstep/kernel/widen.hpp>
#include <halfstep/layout/int8_axis.hpp>
#include <halfstep/linalg/gemm.hpp>
#include <halfstep/linalg/gram.hpp>
#include <halfstep/solver/error_feedback.hpp>
#include <halfstep/tensor/quantizer.hpp>

#include "../support/seconds.hpp"

namespace {

using halfstep::bfloat16;
using halfstep::extents2;
using halfstep::host_buffer;
using halfstep::host_view;
using halfstep::index_t;

halfstep::threads const team(2);

template <class Source>
host_buffer<Source> numbers(extents2 e, std::uint64_t seed) {
  host_buffer<Source> x(e.count());
  halfstep::philox const random(seed);
  constexpr index_t strip = 4096;
  team.for_each((e.count() + strip - 1) / strip, [&](index_t part) {
    for (index_t i = part * strip; i < std::min(e.count(), (part + 1) * strip); ++i) {
      auto const words = random(static_cast<std::uint64_t>(i));
      x[i] = halfstep::narrow<Source>(halfstep::unit_float(words.word[0]) + halfstep::unit_float(words.word[1]) - 1.0f);
    }
  });
  return x;
}

/// The flops a second of the library's product of two 3072 x 3072 matrices, the best of those measured so far.
double gemm_rate() {
  constexpr extents2 e{3072, 3072};
  static auto const a = numbers<float>(e, 1);
  static host_buffer<float> out(e.count());
  static double best = 0.0;
  for (int i = 0; i < 3; ++i)
    best =
        std::max(best, 2.0 * 3072.0 * 3072.0 * 3072.0 / halfstep_bench::wall_seconds([&] {
                         halfstep::gemm(team, host_view<float const>(a.view(e)), host_view<float const>(a.view(e)), out.view(e));
                       }));
  return best;
}

/// H of inputs whose neighbours go together, written down rather than summed.
///
/// Correlations below 1e-30 are zero: as subnormals, which sums over rows never hold so many of, they take some processors ten
/// times as long to multiply.
halfstep::hessian autoregressive(index_t n) {
  host_buffer<float> h(n * n);
  std::vector<float> power(static_cast<std::size_t>(n));
  for (index_t i = 0; i < n; ++i) {
    double const correlation = std::pow(0.95, static_cast<double>(i));
    power[static_cast<std::size_t>(i)] = correlation < 1e-30 ? 0.0f : static_cast<float>(correlation);
  }
  team.for_each(n, [&](index_t i) {
    for (index_t j = 0; j < n; ++j) h[i * n + j] = power[static_cast<std::size_t>(std::abs(i - j))];
  });
  return {team, std::move(h), n};
}

/// Factor and LDLQ. The share of the product's rate counts the factor, the columns, and the loss of the codes that came in:
/// N^3 / 3 + 2 M N^2 flops.
void rows_with_error_feedback(benchmark::State& state) {
  extents2 const e{state.range(0), state.range(1)};
  double const rate = gemm_rate();
  auto const w = numbers<float>(e, 2);
  auto const h = autoregressive(e.columns);
  double best = 1e30;
  for (auto _ : state) {
    auto q = halfstep::quantizer<halfstep::int8_axis>()(team, host_view<float const>(w.view(e)));
    halfstep::coded_matrix<halfstep::symmetric_grid<127>> const codes{q.codes(), q.groups(),
                                                                      halfstep::geometry_of<halfstep::int8_axis>(e)};
    halfstep::solve_report report;
    double const time = halfstep_bench::wall_seconds(
        [&] { report = halfstep::error_feedback<>().refine(team, host_view<float const>(w.view(e)), codes, h); });
    state.SetIterationTime(time);
    state.counters["gain_dB"] = report.gain_db();
    best = std::min(best, time);
  }
  auto const m = static_cast<double>(e.rows), n = static_cast<double>(e.columns);
  rusage used{};
  getrusage(RUSAGE_SELF, &used);
  state.counters["gemm_GFlops"] = rate / 1e9;
  state.counters["share_of_gemm"] = (n * n * n / 3.0 + 2.0 * m * n * n) / best / rate;
  state.counters["peak_MiB"] = static_cast<double>(used.ru_maxrss) / 1024.0;
}

/// H of BF16 rows, widened piece by piece, counted as n N^2 flops.
void sums_over_rows(benchmark::State& state) {
  extents2 const e{state.range(0), state.range(1)};
  extents2 const square{e.columns, e.columns};
  double const rate = gemm_rate();
  auto const rows = numbers<bfloat16>(e, 3);
  host_buffer<float> h(square.count());
  constexpr index_t piece_rows = 512;
  host_buffer<float> piece(piece_rows * e.columns);
  double best = 1e30;
  for (auto _ : state) {
    team.for_each(e.columns, [&](index_t i) { std::fill_n(h.data() + i * e.columns, e.columns, 0.0f); });
    double const time = halfstep_bench::wall_seconds([&] {
      for (index_t first = 0; first < e.rows; first += piece_rows) {
        extents2 const part{std::min(piece_rows, e.rows - first), e.columns};
        host_view<bfloat16 const> const from(rows.data() + first * e.columns, part);
        host_view<float> const to(piece.data(), part);
        halfstep::widen(team, from, to);
        halfstep::add_gram(team, host_view<float const>(to), h.view(square));
      }
    });
    state.SetIterationTime(time);
    best = std::min(best, time);
  }
  auto const n = static_cast<double>(e.rows), columns = static_cast<double>(e.columns);
  state.counters["gemm_GFlops"] = rate / 1e9;
  state.counters["share_of_gemm"] = n * columns * columns / best / rate;
}

BENCHMARK(rows_with_error_feedback)->Args({4096, 4096})->UseManualTime()->Unit(benchmark::kSecond)->Iterations(3);
BENCHMARK(rows_with_error_feedback)->Args({3072, 16384})->UseManualTime()->Unit(benchmark::kSecond)->Iterations(1);
BENCHMARK(sums_over_rows)->Args({4096, 15360})->UseManualTime()->Unit(benchmark::kSecond)->Iterations(2);

}  // namespace
