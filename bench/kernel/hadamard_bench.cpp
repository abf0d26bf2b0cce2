// Rotations in cache and products on all threads.

#include <cstdint>

#include <benchmark/benchmark.h>

#include <halfstep/core/bfloat16.hpp>
#include <halfstep/core/buffer.hpp>
#include <halfstep/exec/serial.hpp>
#include <halfstep/exec/threads.hpp>
#include <halfstep/kernel/hadamard.hpp>
#include <halfstep/linalg/linear.hpp>

namespace {

using halfstep::extents2;
using halfstep::host_buffer;
using halfstep::host_view;
using halfstep::index_t;

/// The argument is the group; 64 Ki elements of BF16, one thread.
void regular_hadamard_in_cache(benchmark::State& state) {
  extents2 const e{64, 1024};
  host_buffer<halfstep::bfloat16> x(e.count());
  for (index_t i = 0; i < e.count(); ++i) x[i] = halfstep::to_bfloat16(static_cast<float>(i % 997 - 498) * 1e-4f);
  host_buffer<float> y(e.count());
  for (auto _ : state) {
    halfstep::hadamard_regular(halfstep::serial{}, host_view<halfstep::bfloat16 const>(x.view(e)), y.view(e),
                               static_cast<int>(state.range(0)));
    benchmark::ClobberMemory();
  }
  state.SetItemsProcessed(state.iterations() * e.count());
}
BENCHMARK(regular_hadamard_in_cache)->Arg(16)->Arg(64)->Arg(256)->Arg(1024);

void linear_1024(benchmark::State& state) {
  extents2 const e{1024, 1024};
  host_buffer<float> x(e.count()), w(e.count()), y(e.count());
  for (index_t i = 0; i < e.count(); ++i) x[i] = w[i] = static_cast<float>(i % 997 - 498) * 1e-4f;
  for (auto _ : state) {
    halfstep::linear(halfstep::threads{}, x.view(e), w.view(e), {}, y.view(e));
    benchmark::ClobberMemory();
  }
  state.counters["GFLOP/s"] =
      benchmark::Counter(2.0 * 1024 * 1024 * 1024 * static_cast<double>(state.iterations()) * 1e-9, benchmark::Counter::kIsRate);
}
BENCHMARK(linear_1024)->UseRealTime()->Unit(benchmark::kMillisecond);

}  // namespace
