// What merging rank-32 adapters into every layer of a 1.1 GB file adds to a run of --simple, against those products alone.
#include <cstdint>
#include <string>
#include <vector>

#include <benchmark/benchmark.h>

#include <halfstep/convert/pipeline.hpp>
#include <halfstep/convert/verify.hpp>
#include <halfstep/core/random.hpp>
#include <halfstep/exec/threads.hpp>
#include <halfstep/layout/int8_axis.hpp>
#include <halfstep/layout/int8_block.hpp>
#include <halfstep/linalg/gemm.hpp>
#include <halfstep/lora/merge.hpp>
#include <halfstep/recipe/bases.hpp>

#include "../support/long_files.hpp"
#include "../support/scratch_folder.hpp"
#include "../support/seconds.hpp"

namespace {

using namespace halfstep;
using namespace halfstep_bench;

constexpr index_t rank = 32;
constexpr int blocks = 5;
constexpr int rounds = 7;
constexpr extents2 shapes[] = {{9216, 3072}, {3072, 3072}, {12288, 3072}, {3072, 12288}};  // of one FLUX block

threads const team(2);

std::string layer_name(int block, int layer) { return "blocks." + std::to_string(block) + ".lin" + std::to_string(layer); }

/// A model and an adapter for all of its layers in a folder that goes away at the end.
class files {
 public:
  files() {
    std::vector<safetensors::tensor_spec> model, adapter;
    for (int b = 0; b < blocks; ++b) {
      for (int i = 0; auto const [rows, columns] : shapes) {
        auto const m = static_cast<std::uint64_t>(rows), n = static_cast<std::uint64_t>(columns);
        auto const r = static_cast<std::uint64_t>(rank);
        std::string const layer = layer_name(b, i++);
        model.push_back({layer + ".weight", dtype::bf16, {m, n}});
        adapter.push_back({layer + ".lora_A.weight", dtype::bf16, {r, n}});
        adapter.push_back({layer + ".lora_B.weight", dtype::bf16, {m, r}});
      }
    }
    write_numbers(model_path(), std::move(model));
    write_numbers(adapter_path(), std::move(adapter));
  }

  std::string model_path() const { return folder_.file("model.safetensors"); }
  std::string adapter_path() const { return folder_.file("adapter.safetensors"); }
  std::string output_path() const { return folder_.file("output.safetensors"); }

 private:
  scratch_folder folder_;
};

files const& scene() {
  static files const all;
  return all;
}

/// Converts from the first byte read to the last one verified; nothing is synced or published.
void convert(recipe const& how, std::vector<lora_request> const& loras) {
  safetensors::reader const input(scene().model_path());
  lora_merge const merge(loras, {}, input.head());
  auto const what = make_plan(input.head(), {.target = how});
  safetensors::writer output(scene().output_path(), what.output, file::overwrite::replace, {});
  format_table const table(make_format<int8_block<128>, nearest>(), make_format<int8_axis, nearest>());
  convert_settings const settings;
  observer const watcher;
  conversion job(input, what, table, output, settings, watcher, {{}, {}, nullptr, &merge});
  job.run(team);
  verify_output(team, job, what, input, output, settings, watcher);
}

/// The products alone, each into the same memory.
void multiply(host_buffer<float> const& up, host_buffer<float> const& down, host_buffer<float>& product) {
  for (int b = 0; b < blocks; ++b)
    for (auto const e : shapes)
      gemm(team, host_view<float const>(up.data(), {e.rows, rank}), host_view<float const>(down.data(), {rank, e.columns}),
           host_view<float>(product.data(), e));
}

/// `extra` is what merging adds, over what the products take: in time passed, and in processor time, which other load disturbs
/// less.
void merging(benchmark::State& state, recipe const& how) {
  index_t const widest = 12288;
  host_buffer<float> up(widest * rank), down(rank * widest), product(widest * 3072);
  for (auto* x : {&up, &down})
    for (index_t i = 0; i < x->size(); ++i) (*x)[i] = widen(numbers()[static_cast<std::size_t>(i)]);
  multiply(up, down, product);
  convert(how, {});
  for (auto _ : state) {
    std::vector<seconds> simple, merged, products;
    for (int round = 0; round < rounds; ++round) {
      simple.push_back(timed([&] { convert(how, {}); }));
      merged.push_back(timed([&] { convert(how, {{scene().adapter_path()}}); }));
      products.push_back(timed([&] { multiply(up, down, product); }));
    }
    seconds const a = median(simple), b = median(merged), c = median(products);
    state.counters["simple_s"] = a.wall;
    state.counters["merged_s"] = b.wall;
    state.counters["products_s"] = c.wall;
    state.counters["extra"] = (b.wall - a.wall) / c.wall;
    state.counters["extra_cpu"] = (b.cpu - a.cpu) / c.cpu;
  }
}

BENCHMARK_CAPTURE(merging, block_128, recipe{.format = format_of<int8_block<128>>})->Iterations(1)->Unit(benchmark::kSecond);
BENCHMARK_CAPTURE(merging, axis, recipe{.format = format_of<int8_axis>})->Iterations(1)->Unit(benchmark::kSecond);
BENCHMARK_CAPTURE(merging, axis_convrot_256, recipe{.format = format_of<int8_axis>, .bases = {halfstep::convrot(256)}})
    ->Iterations(1)
    ->Unit(benchmark::kSecond);

}  // namespace
