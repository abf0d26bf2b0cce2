// The executor of all cores.
#pragma once

#include <exception>
#include <memory>
#include <mutex>

#include <halfstep/core/extents.hpp>
#include <halfstep/core/space.hpp>
#include <halfstep/exec/thread_team.hpp>
#include <halfstep/file/process.hpp>

namespace halfstep {

/// Runs host kernels on `count` threads, the calling one among them, by default on as many as the process has cores.
///
/// Indices are started in ascending order, and every one is worked on by one thread from start to end, so results are those of
/// `serial`, bit for bit. A value without state of its own: all of a process share one team of threads, which start when they
/// are first wanted and sleep while there is nothing to do. Called on several threads at once, or inside itself, it shares them
/// out; a caller always works too, so none waits for threads that others hold.
class threads {
 public:
  using space = host_space;

  /// Throws nothing; a `count` below 1 means all cores.
  explicit threads(int count = 0) : count_(count > 0 ? count : file::usable_cores()) {}

  /// Returns how many threads work.
  int count() const { return count_; }

  /// Starts all threads, which loops do otherwise when they first want them, and go without where the system refuses some.
  /// Throws std::system_error where it does.
  void start() const { detail::thread_team::of_process().start(count_ - 1); }

  void wait() const {}

  /// Calls `f(i)` for i = 0 .. count - 1; the exception of the lowest index that threw is rethrown after all have ended.
  template <class F>
  void for_each(index_t count, F&& f) const {
    std::exception_ptr failure;
    index_t failed = count;
    std::mutex guard;
    auto guarded = [&](index_t i) {
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
    if (count > 1 && count_ > 1)
      detail::thread_team::of_process().run(count, count_ - 1, std::addressof(guarded),
                                            [](void* one, index_t i) { (*static_cast<decltype(guarded)*>(one))(i); });
    else
      for (index_t i = 0; i < count; ++i) guarded(i);
    if (failure) std::rethrow_exception(failure);
  }

 private:
  int count_;
};

}  // namespace halfstep
