// How long work takes, in time passed and in processor time.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <ctime>
#include <vector>

namespace halfstep_bench {

/// Wall and processor time.
struct seconds {
  double wall;
  double cpu;
};

template <class Work>
seconds timed(Work const& work) {
  auto const start = std::chrono::steady_clock::now();
  std::clock_t const cpu = std::clock();
  work();
  return {std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count(),
          static_cast<double>(std::clock() - cpu) / CLOCKS_PER_SEC};
}

/// Returns how long `work` takes until it returns.
template <class Work>
double wall_seconds(Work const& work) {
  return timed(work).wall;
}

/// Returns the medians, each on its own.
inline seconds median(std::vector<seconds> all) {
  auto const middle = [&](double seconds::*part) {
    std::sort(all.begin(), all.end(), [&](auto const& a, auto const& b) { return a.*part < b.*part; });
    return all[all.size() / 2].*part;
  };
  return {middle(&seconds::wall), middle(&seconds::cpu)};
}

}  // namespace halfstep_bench
