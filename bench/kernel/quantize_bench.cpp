// Quantizing, dequantizing and measuring on the host, as shares of what a parallel memory copy moves in the same run.

#include <algorithm>
#include <cstring>
#include <vector>

#include <benchmark/benchmark.h>

#include <halfstep/core/buffer.hpp>
#include <halfstep/core/random.hpp>
#include <halfstep/exec/threads.hpp>
#include <halfstep/kernel/dequantize.hpp>
#include <halfstep/kernel/residual_statistics.hpp>
#include <halfstep/layout/fp16.hpp>
#include <halfstep/layout/fp8_block.hpp>
#include <halfstep/layout/fp8_tensor.hpp>
#include <halfstep/layout/int8_axis.hpp>
#include <halfstep/layout/int8_block.hpp>
#include <halfstep/layout/int8_tensor.hpp>
#include <halfstep/rounding/stochastic.hpp>
#include <halfstep/tensor/quantizer.hpp>
#include <halfstep/transform/hadamard.hpp>

#include "../support/seconds.hpp"

namespace {

using halfstep::bfloat16;
using halfstep::extents2;
using halfstep::host_buffer;
using halfstep::host_view;
using halfstep::index_t;
using halfstep_bench::seconds;

constexpr index_t copied_bytes = index_t{512} << 20;
constexpr extents2 shape{73728, 3072};  // 432 MiB of BF16: nothing stays in cache

/// The seconds that one byte takes, read or written, by the fastest and the thriftiest of five copies of 512 MiB on all threads.
seconds copy_of_a_byte() {
  static host_buffer<char> from(copied_bytes), to(copied_bytes);
  static bool const touched = (std::memset(from.data(), 1, copied_bytes), std::memset(to.data(), 2, copied_bytes), true);
  static_cast<void>(touched);
  constexpr index_t piece = index_t{1} << 20;
  seconds best{1e9, 1e9};
  for (int run = 0; run < 5; ++run) {
    seconds const t = halfstep_bench::timed([&] {
      halfstep::threads{}.for_each(copied_bytes / piece,
                                   [&](index_t i) { std::memcpy(to.data() + i * piece, from.data() + i * piece, piece); });
    });
    best = {std::min(best.wall, t.wall), std::min(best.cpu, t.cpu)};
  }
  constexpr double bytes = 2.0 * static_cast<double>(copied_bytes);
  return {best.wall / bytes, best.cpu / bytes};
}

template <class Source>
host_view<Source const> weights() {
  static host_buffer<Source> const x = [] {
    host_buffer<Source> made(shape.count());
    halfstep::philox const random(1);
    halfstep::threads{}.for_each(shape.rows, [&](index_t row) {
      for (index_t i = row * shape.columns; i < (row + 1) * shape.columns; ++i)
        made[i] = halfstep::narrow<Source>(halfstep::unit_float(random(static_cast<std::uint64_t>(i)).word[0]) - 0.5f);
    });
    return made;
  }();
  return x.view(shape);
}

/// Runs `work` and reports elements a second, and the share of a copy's bytes a second: by the clock, which counts, and by
/// processor time, which says as much on a machine with other work.
template <class F>
void measure(benchmark::State& state, double bytes, F const& work) {
  seconds const copy = copy_of_a_byte();
  work();
  std::vector<seconds> times;
  for (auto _ : state) {
    times.push_back(halfstep_bench::timed(work));
    state.SetIterationTime(times.back().wall);
  }
  auto const [wall, cpu] = halfstep_bench::median(times);
  state.counters["G_elements/s"] = static_cast<double>(shape.count()) / wall * 1e-9;
  state.counters["GB/s"] = bytes / wall * 1e-9;
  state.counters["of_memcpy"] = bytes * copy.wall / wall;
  state.counters["of_memcpy_by_processor_time"] = bytes * copy.cpu / cpu;
}

template <class Layout, class Source, class Transform = halfstep::identity, class Rounding = halfstep::nearest>
void quantizing(benchmark::State& state, Transform transform = {}) {
  auto const weight = weights<Source>();
  static halfstep::quantized_tensor<Layout, halfstep::host_space, Transform> result(shape, transform);
  halfstep::quantizer<Layout, Rounding, Transform> const quantize({}, transform);
  measure(state, static_cast<double>(shape.count() * static_cast<index_t>(sizeof(Source) + sizeof(typename Layout::code_type))),
          [&] { quantize(halfstep::threads{}, weight, result.groups(), result.codes()); });
}

void memory_copy(benchmark::State& state) {
  double best = 1e9;
  for (auto _ : state) {
    best = std::min(best, copy_of_a_byte().wall);
    state.SetIterationTime(best * 2.0 * static_cast<double>(copied_bytes));
  }
  state.counters["GB/s"] = 1e-9 / best;
}

void quantize_block(benchmark::State& state) { quantizing<halfstep::int8_block<128>, bfloat16>(state); }
void quantize_axis(benchmark::State& state) { quantizing<halfstep::int8_axis, bfloat16>(state); }
void quantize_tensor(benchmark::State& state) { quantizing<halfstep::int8_tensor, bfloat16>(state); }
void quantize_fp16(benchmark::State& state) { quantizing<halfstep::fp16, bfloat16>(state); }
void quantize_fp8_block(benchmark::State& state) { quantizing<halfstep::fp8_block<128>, bfloat16>(state); }
void quantize_fp8_tensor(benchmark::State& state) { quantizing<halfstep::fp8_tensor, bfloat16>(state); }
void quantize_axis_from_fp32(benchmark::State& state) { quantizing<halfstep::int8_axis, float>(state); }
void quantize_axis_stochastic(benchmark::State& state) {
  quantizing<halfstep::int8_axis, bfloat16, halfstep::identity, halfstep::stochastic>(state);
}
void quantize_axis_convrot(benchmark::State& state) {
  quantizing<halfstep::int8_axis, bfloat16, halfstep::regular_hadamard>(state, halfstep::regular_hadamard{256});
}

void dequantize_axis(benchmark::State& state) {
  auto const q = halfstep::quantizer<halfstep::int8_axis>()(halfstep::threads{}, weights<bfloat16>());
  host_buffer<bfloat16> out(shape.count());
  measure(state, static_cast<double>(shape.count() * 3),
          [&] { halfstep::dequantize<halfstep::int8_axis>(halfstep::threads{}, q.codes(), q.groups(), out.view(shape)); });
}

void measure_residual_axis(benchmark::State& state) {
  auto const q = halfstep::quantizer<halfstep::int8_axis>()(halfstep::threads{}, weights<bfloat16>());
  measure(state, static_cast<double>(shape.count() * 3), [&] {
    benchmark::DoNotOptimize(
        halfstep::measure_residual<halfstep::int8_axis>(halfstep::threads{}, weights<bfloat16>(), q.codes(), q.groups()));
  });
}

BENCHMARK(memory_copy)->UseManualTime()->Unit(benchmark::kMillisecond)->Iterations(3);
BENCHMARK(quantize_block)->UseManualTime()->Unit(benchmark::kMillisecond)->Iterations(9);
BENCHMARK(quantize_axis)->UseManualTime()->Unit(benchmark::kMillisecond)->Iterations(9);
BENCHMARK(quantize_axis_convrot)->UseManualTime()->Unit(benchmark::kMillisecond)->Iterations(9);
BENCHMARK(quantize_tensor)->UseManualTime()->Unit(benchmark::kMillisecond)->Iterations(9);
BENCHMARK(quantize_fp16)->UseManualTime()->Unit(benchmark::kMillisecond)->Iterations(9);
BENCHMARK(quantize_fp8_block)->UseManualTime()->Unit(benchmark::kMillisecond)->Iterations(9);
BENCHMARK(quantize_fp8_tensor)->UseManualTime()->Unit(benchmark::kMillisecond)->Iterations(9);
BENCHMARK(quantize_axis_from_fp32)->UseManualTime()->Unit(benchmark::kMillisecond)->Iterations(9);
BENCHMARK(quantize_axis_stochastic)->UseManualTime()->Unit(benchmark::kMillisecond)->Iterations(5);
BENCHMARK(dequantize_axis)->UseManualTime()->Unit(benchmark::kMillisecond)->Iterations(9);
BENCHMARK(measure_residual_axis)->UseManualTime()->Unit(benchmark::kMillisecond)->Iterations(9);

}  // namespace
