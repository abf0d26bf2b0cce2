// The threads of a process that help with loops, and sleep while there are none.
#pragma once

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <system_error>
#include <thread>

#include <halfstep/core/extents.hpp>
#include <halfstep/file/process.hpp>

namespace halfstep::detail {

/// Threads that help whoever runs a loop; the executor `threads` is the way to ask them.
///
/// A caller offers its loop, works on it itself, and returns when no helper is left in it: a helper that comes too late harms
/// nobody, and neither loops inside loops nor callers side by side wait for threads that somebody else holds. Indices are handed
/// out by a counter. Whoever waits looks for `patience` and then sleeps.
///
/// Threads start when a loop first wants them and live as long as the process. What `fork` makes of a process has none of its
/// threads, and gets a team of its own.
class thread_team {
 public:
  using call = void (*)(void* f, index_t i);

  /// How long a thread looks for work, or for the end of others' work, before it sleeps: about what falling asleep and waking
  /// take together, so that at most twice the better of the two is lost.
  static constexpr std::chrono::microseconds patience{10};

  /// Returns the team of this process. It is never destroyed: its threads may outlive everything else.
  static thread_team& of_process() {
    static std::atomic<thread_team*> team{nullptr};
    auto* known = team.load(std::memory_order_acquire);
    while (known == nullptr || known->process_ != file::process_number()) {
      auto* const made = new thread_team;
      if (team.compare_exchange_strong(known, made, std::memory_order_acq_rel)) return *made;
      delete made;  // another thread was faster
    }
    return *known;
  }

  thread_team(thread_team const&) = delete;
  thread_team& operator=(thread_team const&) = delete;

  /// Starts threads until there are `helpers`. Throws std::system_error where the system refuses one.
  void start(int helpers) {
    std::scoped_lock const lock(guard_);
    for (; started_ < helpers; ++started_) std::thread([this] { help_forever(); }).detach();
  }

  /// Calls `one(f, i)`, which throws nothing, for i = 0 .. count - 1 on this thread and at most `helpers` others. Indices are
  /// started in ascending order. Where the system refuses threads, those that there are do the work.
  void run(index_t count, int helpers, void* f, call one) {
    auto const places = static_cast<int>(std::min<index_t>(helpers, count - 1));
    start_what_can_be(places);
    loop mine(count, f, one, places);
    offer(mine);
    mine.work();
    withdraw(mine);
  }

 private:
  struct loop {
    loop(index_t how_many, void* function, call how, int free_places)
        : count(how_many), f(function), one(how), places(free_places) {}

    void work() {
      for (index_t i = next.fetch_add(1, std::memory_order_relaxed); i < count; i = next.fetch_add(1, std::memory_order_relaxed))
        one(f, i);
    }
    bool leaves_work() const { return next.load(std::memory_order_relaxed) < count; }
    bool has_helpers() const { return helpers.load(std::memory_order_acquire) > 0; }

    index_t const count;
    void* const f;
    call const one;
    std::atomic<index_t> next{0};
    std::atomic<int> helpers{0};   ///< at work; changed under the guard
    std::condition_variable left;  ///< by the last of them
    int places;                    ///< for more of them; under the guard
    loop* following = nullptr;     ///< in the list of offers; under the guard
  };

  // A thread that sleeps: each at a condition of its own, so that nobody wakes for somebody else's work.
  struct sleeper {
    std::condition_variable called;
    bool is_called = false;        ///< under the guard, as the next
    sleeper* following = nullptr;  ///< in the list of sleepers
  };

  thread_team() = default;

  void start_what_can_be(int helpers) {
    if (started_.load(std::memory_order_relaxed) >= helpers) return;
    try {
      start(helpers);
    } catch (std::system_error const&) {
    }
  }

  void offer(loop& mine) {
    std::unique_lock lock(guard_);
    mine.following = offered_;
    offered_ = &mine;
    offers_.fetch_add(1, std::memory_order_release);
    call_helpers(lock, mine.places - looking_);
  }

  // Unlocks, and wakes sleepers. Whoever comes and finds work left wakes others, so two at a time wake any number without keeping
  // anybody for long.
  void call_helpers(std::unique_lock<std::mutex>& lock, int wanted) {
    sleeper* called[2] = {};
    for (int i = 0; i < std::min(wanted, 2) && sleepers_ != nullptr; ++i) {
      called[i] = sleepers_;
      sleepers_ = sleepers_->following;
      called[i]->is_called = true;
    }
    lock.unlock();
    for (auto* const one : called)
      if (one != nullptr) one->called.notify_one();
  }

  // Returns when all that was started of the loop is done, and nobody looks at it any more.
  void withdraw(loop& mine) {
    std::unique_lock lock(guard_);
    loop** at = &offered_;
    while (*at != &mine) at = &(*at)->following;
    *at = mine.following;
    if (!mine.has_helpers()) return;
    lock.unlock();
    look_until([&] { return !mine.has_helpers(); });
    lock.lock();  // the last helper leaves under the guard
    mine.left.wait(lock, [&] { return !mine.has_helpers(); });
  }

  [[noreturn]] void help_forever() {
    sleeper self;
    std::unique_lock lock(guard_);
    for (;;) {
      while (loop* const open = first_open()) {
        help(lock, *open);
        look_for_offers(lock);
      }
      self.is_called = false;
      self.following = sleepers_;
      sleepers_ = &self;
      self.called.wait(lock, [&] { return self.is_called; });
    }
  }

  void help(std::unique_lock<std::mutex>& lock, loop& with) {
    with.helpers.fetch_add(1, std::memory_order_relaxed);
    --with.places;
    call_helpers(lock, with.leaves_work() ? with.places - looking_ : 0);
    with.work();
    lock.lock();
    if (with.helpers.fetch_sub(1, std::memory_order_release) == 1) with.left.notify_one();
  }

  void look_for_offers(std::unique_lock<std::mutex>& lock) {
    auto const seen = offers_.load(std::memory_order_relaxed);
    ++looking_;
    lock.unlock();
    look_until([&] { return offers_.load(std::memory_order_acquire) != seen; });
    lock.lock();
    --looking_;
  }

  loop* first_open() const {
    loop* at = offered_;
    while (at != nullptr && (at->places == 0 || !at->leaves_work())) at = at->following;
    return at;
  }

  // Looks until `seen()`, for `patience` at most.
  template <class Seen>
  static void look_until(Seen const& seen) {
    auto const end = std::chrono::steady_clock::now() + patience;
    do {
      for (int i = 0; i < 16; ++i) {
        if (seen()) return;
        pause();
      }
    } while (std::chrono::steady_clock::now() < end);
  }

  // Tells the core that this thread only looks.
  static void pause() {
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    asm volatile("yield");
#endif
  }

  long const process_ = file::process_number();
  std::mutex guard_;
  loop* offered_ = nullptr;      ///< the youngest first
  sleeper* sleepers_ = nullptr;  ///< the last who fell asleep first
  int looking_ = 0;              ///< threads that are neither at work nor asleep
  std::atomic<int> started_{0};  ///< threads; changed under the guard, as the next
  std::atomic<std::uint32_t> offers_{0};
};

}  // namespace halfstep::detail
