// What a loop of `threads` costs beside the same loop on one thread and through OpenMP, on an idle machine and on one where as
// many processes spin as there are cores.
//
// loop/WHO/WORK/GAP/BUSY: 8 indices of WORK / 8 microseconds each, then GAP microseconds on the calling thread alone, as solvers
// alternate. Time is by the clock, CPU that of all threads of this process; the spinning processes are not in it.
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstdint>
#include <string>
#include <thread>
#include <vector>

#include <benchmark/benchmark.h>

#include <halfstep/core/extents.hpp>
#include <halfstep/exec/serial.hpp>
#include <halfstep/exec/threads.hpp>

namespace {

using halfstep::index_t;

constexpr index_t indices = 8;
constexpr int team_size = 2;

/// Processes that spin as long as this lives.
class spinning_processes {
 public:
  explicit spinning_processes(unsigned count) {
    for (unsigned i = 0; i < count; ++i) {
      pid_t const child = ::fork();
      if (child == 0) {
        ::prctl(PR_SET_PDEATHSIG, SIGKILL);
        for (unsigned turn = 0;; benchmark::DoNotOptimize(++turn)) {
        }
      }
      children_.push_back(child);
    }
  }
  spinning_processes(spinning_processes const&) = delete;
  spinning_processes& operator=(spinning_processes const&) = delete;
  ~spinning_processes() {
    for (pid_t const child : children_) {
      ::kill(child, SIGKILL);
      ::waitpid(child, nullptr, 0);
    }
  }

 private:
  std::vector<pid_t> children_;
};

void turn(std::int64_t turns) {
  std::uint64_t x = 1;
  for (std::int64_t i = 0; i < turns; ++i) benchmark::DoNotOptimize(x = x * 6364136223846793005u + 1442695040888963407u);
}

/// Turns that take a microsecond, found once, by the fastest of many tries.
double turns_a_microsecond() {
  static double const found = [] {
    constexpr std::int64_t turns = 20000;
    double best = 1e9;
    for (int i = 0; i < 200; ++i) {
      auto const start = std::chrono::steady_clock::now();
      turn(turns);
      best = std::min(best, std::chrono::duration<double, std::micro>(std::chrono::steady_clock::now() - start).count());
    }
    return turns / best;
  }();
  return found;
}

struct openmp {
  template <class F>
  void for_each(index_t count, F const& f) const {
#pragma omp parallel for num_threads(team_size) schedule(monotonic : dynamic, 1)
    for (index_t i = 0; i < count; ++i) f(i);
  }
};

template <class Executor>
void loops(benchmark::State& state, Executor const& ex) {
  auto const work = static_cast<std::int64_t>(turns_a_microsecond() * static_cast<double>(state.range(0)) / indices);
  auto const gap = static_cast<std::int64_t>(turns_a_microsecond() * static_cast<double>(state.range(1)));
  spinning_processes const others(state.range(2) != 0 ? std::thread::hardware_concurrency() : 0);
  for (auto _ : state) {
    ex.for_each(indices, [&](index_t) { turn(work); });
    turn(gap);
  }
}

template <class Executor>
void add(std::string const& name, Executor const& ex) {
  benchmark::RegisterBenchmark(("loop/" + name).c_str(), [&ex](benchmark::State& state) { loops(state, ex); })
      ->ArgsProduct({{8, 50, 200, 2000}, {0, 5, 100}, {0, 1}})
      ->MeasureProcessCPUTime()
      ->UseRealTime()
      ->Unit(benchmark::kMicrosecond);
}

halfstep::serial const alone;
halfstep::threads const team(team_size);
openmp const other_team;

[[maybe_unused]] bool const added = [] {
  add("serial", alone);
  add("threads", team);
#if defined(_OPENMP)
  add("openmp", other_team);
#endif
  return true;
}();

}  // namespace
