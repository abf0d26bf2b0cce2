// INT8 products beside the FP32 product of the same build, and beside a read of the weight's bytes.
//
// Both sides of a ratio are timed in turn in one run, and the ratio is that of their shortest times: `ratio` by the clock,
// `cpu_ratio` by the processor's.
#include <algorithm>
#include <cstdint>
#include <cstring>

#include <benchmark/benchmark.h>

#include <halfstep/core/buffer.hpp>
#include <halfstep/exec/threads.hpp>
#include <halfstep/kernel/linear_int8.hpp>
#include <halfstep/kernel/row_tiles.hpp>
#include <halfstep/layout/int8_axis.hpp>
#include <halfstep/layout/int8_block.hpp>
#include <halfstep/linalg/linear.hpp>
#include <halfstep/tensor/linear_int8.hpp>
#include <halfstep/tensor/quantizer.hpp>

#include "../support/seconds.hpp"

namespace {

using halfstep::extents2;
using halfstep::host_buffer;
using halfstep::host_view;
using halfstep::index_t;
using halfstep::threads;
using halfstep_bench::seconds;

host_buffer<float> numbers(extents2 e) {
  host_buffer<float> x(e.count());
  for (index_t i = 0; i < e.count(); ++i) x[i] = static_cast<float>(i * 7919 % 997 - 498) * 1e-3f;
  return x;
}

/// The shortest times of a piece of work so far.
class shortest {
 public:
  template <class Work>
  void time(Work const& work) {
    seconds const t = halfstep_bench::timed(work);
    best_ = {std::min(best_.wall, t.wall), std::min(best_.cpu, t.cpu)};
  }
  seconds best() const { return best_; }

 private:
  seconds best_{1e9, 1e9};
};

void report(benchmark::State& state, shortest const& product, shortest const& other) {
  state.counters["ratio"] = other.best().wall / product.best().wall;
  state.counters["cpu_ratio"] = other.best().cpu / product.best().cpu;
  state.counters["ms"] = 1e3 * product.best().wall;
  state.counters["other_ms"] = 1e3 * other.best().wall;
}

/// The rate of the product with rounded inputs over that of the FP32 product; arguments: inputs, rows, columns.
template <class Layout>
void beside_fp32(benchmark::State& state) {
  extents2 const in{state.range(0), state.range(2)}, e{state.range(1), state.range(2)}, out{in.rows, e.rows};
  auto const x = numbers(in), w = numbers(e);
  host_buffer<float> y(out.count());
  auto const q = halfstep::quantizer<Layout>()(threads(), w.view(e));
  shortest product, other;
  for (auto _ : state) {
    product.time([&] { linear(threads(), host_view<float const>(x.view(in)), q, {}, y.view(out), halfstep::int8_activations{}); });
    other.time([&] { halfstep::linear(threads(), x.view(in), w.view(e), {}, y.view(out)); });
    benchmark::ClobberMemory();
  }
  report(state, product, other);
  state.counters["GOP/s"] = 2e-9 * static_cast<double>(in.rows * e.count()) / product.best().wall;
}
#define SHAPES ArgsProduct({{16, 64, 256, 1024}, {4096}, {4096}})->Args({16, 384, 384})->Args({16, 1536, 384})
BENCHMARK(beside_fp32<halfstep::int8_axis>)->SHAPES->Iterations(10)->UseRealTime()->Unit(benchmark::kMillisecond);
BENCHMARK(beside_fp32<halfstep::int8_block<128>>)->SHAPES->Iterations(10)->UseRealTime()->Unit(benchmark::kMillisecond);

/// Reads all bytes on all threads, cut as the product cuts the weight.
std::uint64_t read_through(host_view<std::int8_t const> m) {
  halfstep::row_tiles const tiles(m.extents());
  host_buffer<std::uint64_t> sums(tiles.count());
  threads().for_each(tiles.count(), [&](index_t tile) {
    std::int8_t const* const from = m.row(tiles.first(tile));
    index_t const count = tiles.rows(tile) * m.columns();
    std::uint64_t words[32] = {};
    for (index_t i = 0; i + 256 <= count; i += 256)
      for (int k = 0; k < 32; ++k) {
        std::uint64_t word = 0;
        std::memcpy(&word, from + i + 8 * k, sizeof(word));
        words[k] ^= word;
      }
    for (int k = 1; k < 32; ++k) words[0] ^= words[k];
    sums[tile] = words[0];
  });
  std::uint64_t all = 0;
  for (std::uint64_t const sum : sums) all ^= sum;
  return all;
}

/// The bytes of the weight a second of a product of few inputs over those of a read; arguments: inputs, rows, columns.
template <class Layout>
void beside_read(benchmark::State& state) {
  extents2 const in{state.range(0), state.range(2)}, e{state.range(1), state.range(2)}, out{in.rows, e.rows};
  auto const x = numbers(in), w = numbers(e);
  host_buffer<float> y(out.count());
  auto const q = halfstep::quantizer<Layout>()(threads(), w.view(e));
  auto const rounded = halfstep::quantizer<halfstep::int8_axis>()(threads(), x.view(in));
  shortest product, other;
  for (auto _ : state) {
    product.time([&] {
      halfstep::linear_int8<Layout>(threads(), rounded.codes(), rounded.groups(), q.codes(), q.groups(), {}, y.view(out));
    });
    other.time([&] { benchmark::DoNotOptimize(read_through(q.codes())); });
    benchmark::ClobberMemory();
  }
  report(state, product, other);
  state.counters["GB/s"] = 1e-9 * static_cast<double>(e.count()) / product.best().wall;
}
#define FEW ArgsProduct({{1, 2, 4, 8, 16}, {4096}, {4096}})->Args({1, 16384, 16384})
BENCHMARK(beside_read<halfstep::int8_axis>)->FEW->Iterations(50)->UseRealTime()->Unit(benchmark::kMillisecond);
BENCHMARK(beside_read<halfstep::int8_block<128>>)->FEW->Iterations(50)->UseRealTime()->Unit(benchmark::kMillisecond);

}  // namespace
