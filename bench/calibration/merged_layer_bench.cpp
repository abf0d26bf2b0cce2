// Statistics of 4096 captured rows of 15360 BF16 numbers, from the file, against the rate of products in the same run.
#include <stdlib.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <filesystem>
#include <span>
#include <stdexcept>
#include <string>
#include <vector>

#include <benchmark/benchmark.h>

#include <halfstep/calibration/merged_files.hpp>
#include <halfstep/core/random.hpp>
#include <halfstep/exec/threads.hpp>
#include <halfstep/linalg/gemm.hpp>
#include <halfstep/safetensors/writer.hpp>

namespace {

using namespace halfstep;

constexpr index_t rows = 4096;
constexpr index_t columns = 15360;
threads const team(2);

double seconds_of(auto const& f) {
  auto const start = std::chrono::steady_clock::now();
  f();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

/// A capture in a folder that goes away at the end.
class capture {
 public:
  capture() {
    std::string name = (std::filesystem::temp_directory_path() / "halfstep_XXXXXX").string();
    if (mkdtemp(name.data()) == nullptr) throw std::runtime_error("no scratch folder");
    folder_ = name;
    std::vector<bfloat16> row(static_cast<std::size_t>(columns));
    philox const random(1);
    for (std::size_t j = 0; j < row.size(); ++j) row[j] = to_bfloat16(unit_float(random(j).word[0]) - 0.5f);
    safetensors::writer file(path(),
                             safetensors::arrange({{"p.input", dtype::bf16, {std::uint64_t{rows}, std::uint64_t{columns}}}}, {}),
                             file::overwrite::replace, {});
    auto const to = file.at("p.input");
    for (index_t i = 0; i < rows; ++i) {
      std::rotate(row.begin(), row.begin() + 1, row.end());
      file.write(to, static_cast<std::uint64_t>(i * columns) * sizeof(bfloat16), std::as_bytes(std::span(row)));
    }
    file.commit();
  }
  capture(capture const&) = delete;
  ~capture() { std::filesystem::remove_all(folder_); }
  std::string path() const { return (folder_ / "rows.safetensors").string(); }

 private:
  std::filesystem::path folder_;
};

/// Returns the flops a second of one product of two 3072 x 3072 matrices.
double gemm_rate() {
  constexpr extents2 e{3072, 3072};
  host_buffer<float> a(e.count()), b(e.count()), c(e.count());
  std::fill(a.begin(), a.end(), 0.5f);
  std::fill(b.begin(), b.end(), 0.25f);
  double const seconds =
      seconds_of([&] { gemm(team, host_view<float const>(a.view(e)), host_view<float const>(b.view(e)), c.view(e)); });
  return 2.0 * 3072.0 * 3072.0 * 3072.0 / seconds;
}

void calibrate(benchmark::State& state) {
  capture const made;
  merged_files const files({made.path()});
  auto const& layer = files.layers()[0];
  double hessian = 0.0, figures = 0.0, rate = 0.0;
  gemm_rate();
  for (auto _ : state) {
    rate += gemm_rate();
    hessian += seconds_of([&] { benchmark::DoNotOptimize(layer.hessian(team).data()); });
    rate += gemm_rate();
    figures += seconds_of([&] { benchmark::DoNotOptimize(layer.figures(team).channel_sq.data()); });
  }
  auto const n = static_cast<double>(state.iterations());
  rate /= 2.0 * n;
  state.counters["gemm_gflops"] = rate / 1e9;
  state.counters["hessian_s"] = hessian / n;
  state.counters["share_of_gemm"] = double{rows} * double{columns} * double{columns} * n / hessian / rate;
  state.counters["figures_s"] = figures / n;
}
BENCHMARK(calibrate)->Iterations(3)->Unit(benchmark::kSecond);

}  // namespace
