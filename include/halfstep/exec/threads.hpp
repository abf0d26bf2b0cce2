// The executor of all cores, through OpenMP.
#pragma once

#include <exception>
#include <mutex>

#if defined(_OPENMP)
#include <omp.h>
#endif

#include <halfstep/core/extents.hpp>
#include <halfstep/core/space.hpp>

namespace halfstep {

/// Runs host kernels on `count` threads, by default as many as OpenMP offers; on the calling thread alone in a build without
/// OpenMP.
///
/// Indices are started in ascending order, and every one is worked on by one thread from start to end, so results are those of
/// `serial`, bit for bit.
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
#if defined(_OPENMP)
#pragma omp parallel for num_threads(count_) schedule(monotonic : dynamic, 1) if (count > 1 && count_ > 1)
#endif
    for (index_t i = 0; i < count; ++i) guarded(i);
    if (failure) std::rethrow_exception(failure);
  }

 private:
  static int available() {
#if defined(_OPENMP)
    return omp_get_max_threads();
#else
    return 1;
#endif
  }

  int count_;
};

}  // namespace halfstep
