// Scale search on the host, per layout and criterion: elements a second, and beside them those of absmax quantization in the same
// run.

#include <algorithm>
#include <vector>

#include <benchmark/benchmark.h>

#include <halfstep/exec/threads.hpp>
#include <halfstep/kernel/column_energy.hpp>
#include <halfstep/layout/int8_axis.hpp>
#include <halfstep/layout/int8_block.hpp>
#include <halfstep/layout/int8_tensor.hpp>
#include <halfstep/solver/scale_search.hpp>
#include <halfstep/tensor/quantizer.hpp>

#include "../support/seconds.hpp"
#include "generated_layer.hpp"

namespace {

using halfstep::extents2;
using halfstep::host_view;
using halfstep::index_t;
using halfstep::scale_criterion;
using halfstep::threads;

constexpr extents2 shape{4096, 4096};
constexpr double count = static_cast<double>(shape.count());

host_view<float const> weight() {
  static auto const w = halfstep_bench::generated_layer(halfstep_bench::layer_kind::scaled_gaussian, shape);
  return w.view(shape);
}

/// Times the search as the converter calls it: `bounded` weighted by the columns' energy, which is measured too, `mse` by given
/// numbers. The argument is the number of threads.
template <class Layout>
void search(benchmark::State& state, scale_criterion criterion) {
  threads const team(static_cast<int>(state.range(0)));
  auto q = halfstep::quantizer<Layout>()(team, weight());
  std::vector const fitted(q.groups().data(), q.groups().data() + q.groups().extents().count());
  double quantizing = 1e9;
  for (int i = 0; i < 5; ++i)
    quantizing = std::min(
        quantizing, halfstep_bench::wall_seconds([&] { halfstep::quantizer<Layout>()(team, weight(), q.groups(), q.codes()); }));
  auto const given = halfstep::column_energy(team, weight());
  halfstep::scale_search<halfstep::symmetric_grid<127>> const find(criterion);
  double best = 1e9;
  for (auto _ : state) {
    std::copy(fitted.begin(), fitted.end(), q.groups().data());
    double const time = halfstep_bench::wall_seconds([&] {
      auto const weights = criterion == scale_criterion::bounded ? halfstep::column_energy(team, weight()) : given;
      find(team, weight(), halfstep::geometry_of<Layout>(shape), weights, q.groups());
    });
    state.SetIterationTime(time);
    best = std::min(best, time);
  }
  state.counters["M_elements/s"] = count / best * 1e-6;
  state.counters["of_quantize"] = quantizing / best;  // the share of the elements a second that absmax rounding handles
  state.counters["12G_weights_minutes"] = 12e9 / count * best / 60.0;
}

void bounded_block(benchmark::State& state) { search<halfstep::int8_block<128>>(state, scale_criterion::bounded); }
void bounded_axis(benchmark::State& state) { search<halfstep::int8_axis>(state, scale_criterion::bounded); }
void bounded_tensor(benchmark::State& state) { search<halfstep::int8_tensor>(state, scale_criterion::bounded); }
void mse_block(benchmark::State& state) { search<halfstep::int8_block<128>>(state, scale_criterion::mse); }
void mse_axis(benchmark::State& state) { search<halfstep::int8_axis>(state, scale_criterion::mse); }
void mse_tensor(benchmark::State& state) { search<halfstep::int8_tensor>(state, scale_criterion::mse); }

void each(benchmark::internal::Benchmark* bench) {
  bench->ArgName("threads")->Arg(1)->Arg(2)->UseManualTime()->Unit(benchmark::kMillisecond)->Iterations(7);
}

BENCHMARK(bounded_block)->Apply(each);
BENCHMARK(bounded_axis)->Apply(each);
BENCHMARK(bounded_tensor)->Apply(each);
BENCHMARK(mse_block)->Apply(each);
BENCHMARK(mse_axis)->Apply(each);
BENCHMARK(mse_tensor)->Apply(each);

}  // namespace
