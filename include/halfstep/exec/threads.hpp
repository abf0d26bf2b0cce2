// The executor of all cores: through OpenMP, or through threads of its own in a build without it.
#pragma once

#include <algorithm>
#include <atomic>
#include <exception>
#include <mutex>
#include <system_error>
#include <thread>
#include <vector>

#if defined(_OPENMP)
#include <omp.h>
#endif

#include <halfstep/core/extents.hpp>
#include <halfstep/core/space.hpp>

namespace halfstep {

/// Runs host kernels on `count` threads, by default as many as OpenMP offers, or as the machine has where there is no OpenMP.
///
/// Indices are started in ascending order, and every one is worked on by one thread from start to end, so results are those of
/// `serial`, bit for bit. Without OpenMP threads are started for each call: some 20 microseconds each, and none waits busily.
class threads {
 public:
  using space = host_space;

  /// Throws nothing; a `count` below 1 means all cores.
  explicit threads(int count = 0) : count_(count > 0 ? count : available()) {}

  /// Returns how many threads work.
  int count() const { return count_; }

  void wait() const {}

  /// Calls `f(i)` for i = 0 .. count - 1; the exception of the lowest index that threw is rethrown after all have ended.
  template <class F>
  void for_each(index_t count, F&& f) const {
    std::exception_ptr failure;
    index_t failed = count;
    std::mutex guard;
    auto const guarded = [&](index_t i) {
      try {
        f(i);
      } catch (...) {
        std::scoped_lock const lock(guard);
        if (i < failed) {
          failed = i;
          failure = std::current_exception();
        }
      }
    };
    share(count, guarded);
    if (failure) std::rethrow_exception(failure);
  }

 private:
#if defined(_OPENMP)
  static int available() { return omp_get_max_threads(); }

  template <class F>
  void share(index_t count, F const& f) const {
#pragma omp parallel for num_threads(count_) schedule(monotonic : dynamic, 1) if (count > 1 && count_ > 1)
    for (index_t i = 0; i < count; ++i) f(i);
  }
#else
  static int available() { return std::max(1, static_cast<int>(std::thread::hardware_concurrency())); }

  template <class F>
  void share(index_t count, F const& f) const {
    std::atomic<index_t> next = 0;
    auto const work = [&] {
      for (index_t i = next++; i < count; i = next++) f(i);
    };
    std::vector<std::jthread> team;  // joins where this block ends
    try {
      for (index_t i = 1; i < std::min<index_t>(count, count_); ++i) team.emplace_back(work);
    } catch (std::system_error const&) {  // the machine gives no more threads: those that there are do the work
    }
    work();
  }
#endif

  int count_;
};

}  // namespace halfstep
