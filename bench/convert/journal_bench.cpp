// What the journal of finished tensors adds to a run of --simple over a file of 0.6 GB.
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include <benchmark/benchmark.h>

#include <halfstep/convert/pipeline.hpp>
#include <halfstep/convert/resume/resume_journal.hpp>
#include <halfstep/core/digest.hpp>
#include <halfstep/exec/threads.hpp>
#include <halfstep/layout/int8_axis.hpp>

#include "../support/long_files.hpp"
#include "../support/scratch_folder.hpp"
#include "../support/seconds.hpp"

namespace {

using namespace halfstep;
using namespace halfstep_bench;

enum class journaling { off, on };

/// A folder with a model in it that goes away at the end.
class scratch_model {
 public:
  scratch_model() {
    std::vector<safetensors::tensor_spec> specs;
    for (int i = 0; i < 32; ++i) specs.push_back({"blocks." + std::to_string(i) + ".lin.weight", dtype::bf16, {3072, 3072}});
    write_numbers(input(), std::move(specs));
  }

  std::string input() const { return folder_.file("model.safetensors"); }
  std::string output() const { return folder_.file("output.safetensors"); }

 private:
  scratch_folder folder_;
};

/// Converts from the first byte read to the last one written; nothing is flushed at the end, or published.
void convert(threads const& team, scratch_model const& files, journaling how) {
  safetensors::reader const input(files.input());
  auto const what = make_plan(input.head(), {.target = {.format = format_of<int8_axis>}});
  safetensors::writer output(files.output(), what.output, file::overwrite::replace, {});
  format_table const table(make_format<int8_axis, nearest>());
  convert_settings const settings;
  observer const watcher;
  std::optional<resume_journal> journal;
  if (how == journaling::on) journal.emplace(output, file::journal_file(output.path(), {}), fingerprint{}, 0);
  conversion job(input, what, table, output, settings, watcher, {}, journal ? &*journal : nullptr);
  job.run(team);
  if (journal) journal->remove();
}

/// `ratio` is a run with a journal over one without, in time passed, and `cpu_ratio` in processor time, which other load disturbs
/// less.
void with_journal(benchmark::State& state) {
  threads const team(2);
  scratch_model const files;
  convert(team, files, journaling::on);
  for (auto _ : state) {
    std::vector<seconds> without, with;
    for (int round = 0; round < 9; ++round) {
      without.push_back(timed([&] { convert(team, files, journaling::off); }));
      with.push_back(timed([&] { convert(team, files, journaling::on); }));
    }
    seconds const a = median(without), b = median(with);
    state.counters["without_s"] = a.wall;
    state.counters["with_s"] = b.wall;
    state.counters["ratio"] = b.wall / a.wall;
    state.counters["cpu_ratio"] = b.cpu / a.cpu;
  }
}

void digesting(benchmark::State& state) {
  auto const bytes = std::as_bytes(std::span(numbers())).first(std::size_t{1} << 20);
  for (auto _ : state) benchmark::DoNotOptimize(digest(bytes));
  state.SetBytesProcessed(state.iterations() * static_cast<std::int64_t>(bytes.size()));
}

BENCHMARK(with_journal)->Iterations(1)->Unit(benchmark::kSecond);
BENCHMARK(digesting);

}  // namespace
