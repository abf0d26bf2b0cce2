// Quantizing and dequantizing on a device, as shares of what a device copy moves in the same run. Skips without a device.

#include <algorithm>
#include <cstddef>
#include <utility>
#include <vector>

#include <benchmark/benchmark.h>

#include <halfstep/cuda.cuh>

namespace {

using namespace halfstep;

constexpr extents2 shape{131072, 3072};  // 768 MiB of BF16 in, 384 MiB of codes out: nothing stays in the cache

/// Time on the device between construction and `seconds()`.
class stopwatch {
 public:
  explicit stopwatch(cuda_stream ex) : ex_(ex) {
    check_cuda(cudaEventCreate(&start_), "halfstep bench: creating an event");
    check_cuda(cudaEventCreate(&stop_), "halfstep bench: creating an event");
    check_cuda(cudaEventRecord(start_, ex.handle()), "halfstep bench: recording an event");
  }
  stopwatch(stopwatch const&) = delete;
  stopwatch& operator=(stopwatch const&) = delete;
  ~stopwatch() {
    cudaEventDestroy(start_);
    cudaEventDestroy(stop_);
  }

  double seconds() const {
    check_cuda(cudaEventRecord(stop_, ex_.handle()), "halfstep bench: recording an event");
    check_cuda(cudaEventSynchronize(stop_), "halfstep bench: waiting for an event");
    float milliseconds = 0;
    check_cuda(cudaEventElapsedTime(&milliseconds, start_, stop_), "halfstep bench: reading an event");
    return static_cast<double>(milliseconds) * 1e-3;
  }

 private:
  cuda_stream ex_;
  cudaEvent_t start_ = nullptr;
  cudaEvent_t stop_ = nullptr;
};

bool is_without_device() {
  int devices = 0;
  return cudaGetDeviceCount(&devices) != cudaSuccess || devices == 0;
}

double median(std::vector<double> times) {
  auto const middle = times.begin() + static_cast<std::ptrdiff_t>(times.size() / 2);
  std::nth_element(times.begin(), middle, times.end());
  return *middle;
}

/// Bytes a second, read plus written, of the median of eleven copies of the weights on the device.
double copy_rate(cuda_stream ex) {
  static double const rate = [ex] {
    device_buffer<bfloat16> from(shape.count()), to(shape.count());
    check_cuda(cudaMemsetAsync(from.data(), 1, static_cast<std::size_t>(shape.count()) * 2, ex.handle()),
               "halfstep bench: filling");
    std::vector<double> times;
    for (int run = 0; run < 11; ++run) {
      stopwatch const watch(ex);
      copy_async(ex, device_view<bfloat16 const>(from.view(shape)), to.view(shape));
      times.push_back(watch.seconds());
    }
    return 4.0 * static_cast<double>(shape.count()) / median(std::move(times));
  }();
  return rate;
}

struct store_weight {
  bfloat16* to;
  HALFSTEP_HD void operator()(index_t i) const {
    to[i] = to_bfloat16((unit_float(philox(1)(static_cast<std::uint64_t>(i)).word[0]) - 0.5f) * 0.1f);
  }
};

/// Runs `f` once an iteration and reports the share of a copy's rate that its median time makes; `bytes` counts what it reads
/// plus what it writes.
template <class F>
void measure(benchmark::State& state, cuda_stream ex, double bytes, F const& f) {
  double const copied = copy_rate(ex);
  std::vector<double> times;
  for (auto _ : state) {
    stopwatch const watch(ex);
    f();
    double const seconds = watch.seconds();
    state.SetIterationTime(seconds);
    times.push_back(seconds);
  }
  state.SetBytesProcessed(static_cast<std::int64_t>(bytes) * state.iterations());
  state.counters["of_copy"] = bytes / median(std::move(times)) / copied;
}

template <class Layout, class Rounding>
void fitted(benchmark::State& state) {
  if (is_without_device()) return state.SkipWithError("no CUDA device here");
  cuda_stream const ex;
  extents2 const g = Layout::groups(shape);
  device_buffer<bfloat16> weight(shape.count());
  device_buffer<value_range> ranges(g.count());
  quantized_tensor<Layout, device_space> q(shape);
  for_each_index_async(ex, shape.count(), store_weight{weight.data()});
  double const passes =
      g.count() == 1 ? 5.0 : 3.0;  // a group that no block holds is read once for its range and once for its codes
  measure(state, ex, passes * static_cast<double>(shape.count()), [&] {
    fit_quantize_async<Layout>(ex, device_view<bfloat16 const>(weight.view(shape)), ranges.view(g), q.groups(), q.codes(),
                               Rounding{});
  });
}

template <class Layout, class Target>
void dequantized(benchmark::State& state) {
  if (is_without_device()) return state.SkipWithError("no CUDA device here");
  cuda_stream const ex;
  device_buffer<bfloat16> weight(shape.count());
  for_each_index_async(ex, shape.count(), store_weight{weight.data()});
  auto const q = quantize_on_device<Layout>(ex, device_view<bfloat16 const>(weight.view(shape)));
  device_buffer<Target> out(shape.count());
  measure(state, ex, static_cast<double>(1 + sizeof(Target)) * static_cast<double>(shape.count()),
          [&] { dequantize_async<Layout>(ex, q.codes(), q.groups(), out.view(shape)); });
}

void rotated(benchmark::State& state) {
  if (is_without_device()) return state.SkipWithError("no CUDA device here");
  cuda_stream const ex;
  device_buffer<bfloat16> weight(shape.count());
  device_buffer<float> out(shape.count());
  for_each_index_async(ex, shape.count(), store_weight{weight.data()});
  measure(state, ex, 6.0 * static_cast<double>(shape.count()),
          [&] { hadamard_regular_async(ex, device_view<bfloat16 const>(weight.view(shape)), out.view(shape), 256); });
}

BENCHMARK(fitted<int8_axis, nearest>)->UseManualTime();
BENCHMARK(fitted<int8_block<128>, nearest>)->UseManualTime();
BENCHMARK(fitted<int8_block<64>, nearest>)->UseManualTime();
BENCHMARK(fitted<int8_tensor, nearest>)->UseManualTime();
BENCHMARK(fitted<int8_axis, stochastic>)->UseManualTime();
BENCHMARK(dequantized<int8_axis, bfloat16>)->UseManualTime();
BENCHMARK(dequantized<int8_block<128>, bfloat16>)->UseManualTime();
BENCHMARK(dequantized<int8_tensor, float>)->UseManualTime();
BENCHMARK(rotated)->UseManualTime();

}  // namespace
