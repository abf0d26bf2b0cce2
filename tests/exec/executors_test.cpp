// Executors of host memory: every index once, exceptions in order.

#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <csignal>
#include <ctime>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include <halfstep/exec/any_host.hpp>
#include <halfstep/exec/concept.hpp>
#include <halfstep/exec/serial.hpp>
#include <halfstep/exec/threads.hpp>

namespace {

using halfstep::index_t;

static_assert(halfstep::host_executor<halfstep::serial> && halfstep::host_executor<halfstep::threads>);
static_assert(halfstep::host_executor<halfstep::any_host>);
static_assert(!halfstep::device_executor<halfstep::serial>);

TEST(Serial, CallsInOrder) {
  std::vector<index_t> seen;
  halfstep::serial{}.for_each(4, [&](index_t i) { seen.push_back(i); });
  EXPECT_EQ(seen, (std::vector<index_t>{0, 1, 2, 3}));
  halfstep::serial{}.for_each(0, [&](index_t) { FAIL(); });
}

TEST(Threads, CallEveryIndexOnce) {
  for (int const count : {0, 1, 2, 7}) {
    std::vector<std::atomic<int>> calls(1001);
    halfstep::threads const ex(count);
    ex.for_each(1001, [&](index_t i) { ++calls[static_cast<std::size_t>(i)]; });
    ex.wait();
    for (auto const& c : calls) ASSERT_EQ(c, 1);
  }
}

TEST(Threads, AreAllCoresByDefault) {
  EXPECT_GE(halfstep::threads().count(), 1);
  EXPECT_EQ(halfstep::threads(3).count(), 3);
  EXPECT_EQ(halfstep::threads(-1).count(), halfstep::threads().count());
}

TEST(Threads, RethrowTheExceptionOfTheLowestIndexAfterAllHaveEnded) {
  for (int const count : {1, 2, 5}) {
    std::atomic<int> calls = 0;
    try {
      halfstep::threads(count).for_each(100, [&](index_t i) {
        ++calls;
        if (i >= 40) throw std::runtime_error(std::to_string(i));
      });
      ADD_FAILURE() << "nothing thrown";
    } catch (std::runtime_error const& e) {
      EXPECT_STREQ(e.what(), "40");
    }
    EXPECT_EQ(calls, 100);
  }
}

TEST(AnyHost, DoesWhatTheExecutorBehindItDoes) {
  std::vector<index_t> seen;
  halfstep::serial const alone;
  halfstep::any_host const in_order(alone);
  in_order.for_each(4, [&](index_t i) { seen.push_back(i); });
  EXPECT_EQ(seen, (std::vector<index_t>{0, 1, 2, 3}));
  halfstep::threads const team(3);
  halfstep::any_host const together(team);
  std::vector<std::atomic<int>> calls(1001);
  auto const count = [&](index_t i) { ++calls[static_cast<std::size_t>(i)]; };
  together.for_each(1001, count);
  for (auto const& c : calls) ASSERT_EQ(c, 1);
  EXPECT_THROW(together.for_each(5, [](index_t) { throw std::runtime_error("no"); }), std::runtime_error);
}

TEST(Threads, WorkAtOnce) {
  std::atomic<int> arrived = 0;
  std::atomic<int> met = 0;
  halfstep::threads(2).for_each(2, [&](index_t) {
    ++arrived;
    auto const end = std::chrono::steady_clock::now() + std::chrono::seconds(30);
    while (arrived < 2 && std::chrono::steady_clock::now() < end) std::this_thread::yield();
    met += arrived == 2 ? 1 : 0;
  });
  EXPECT_EQ(met, 2) << "one index waited for the other to end";
}

TEST(Threads, RunKernelsInsideKernels) {
  std::atomic<int> calls = 0;
  halfstep::threads(2).for_each(4, [&](index_t) { halfstep::threads(2).for_each(5, [&](index_t) { ++calls; }); });
  EXPECT_EQ(calls, 20);
  calls = 0;
  halfstep::threads const team(3);
  team.for_each(5, [&](index_t) {
    team.for_each(5, [&](index_t) { team.for_each(5, [&](index_t i) { calls += static_cast<int>(i); }); });
  });
  EXPECT_EQ(calls, 5 * 5 * 10);
}

TEST(Threads, ServeCallersSideBySide) {
  halfstep::threads const team(3);
  std::vector<std::atomic<int>> calls(8 * 100);
  {
    std::vector<std::jthread> callers;
    for (std::size_t caller = 0; caller < 8; ++caller)
      callers.emplace_back([&, caller] {
        for (int round = 0; round < 50; ++round)
          team.for_each(100, [&](index_t i) { ++calls[caller * 100 + static_cast<std::size_t>(i)]; });
      });
  }
  for (auto const& c : calls) ASSERT_EQ(c, 50);
}

TEST(Threads, ThrowInsideThrowingLoops) {
  halfstep::threads const team(3);
  std::atomic<int> calls = 0;
  for (int round = 0; round < 20; ++round) {
    try {
      team.for_each(6, [&](index_t i) {
        team.for_each(10, [&](index_t j) {
          ++calls;
          if (j == 7) throw std::runtime_error(std::to_string(i));
        });
      });
      ADD_FAILURE() << "nothing thrown";
    } catch (std::runtime_error const& e) {
      EXPECT_STREQ(e.what(), "0");
    }
  }
  EXPECT_EQ(calls, 20 * 60);
}

/// Processor time that all threads of this process take for `work`, in seconds.
template <class Work>
double processor_seconds(Work const& work) {
  std::clock_t const start = std::clock();
  work();
  return static_cast<double>(std::clock() - start) / CLOCKS_PER_SEC;
}

TEST(Threads, WaitForTheirLastIndexAsleep) {
  for (int const count : {2, 4}) {
    halfstep::threads const team(count);
    EXPECT_LT(processor_seconds([&] {
                for (index_t round = 0; round < 100; ++round)
                  team.for_each(count, [&](index_t i) {
                    if (i == round % count) std::this_thread::sleep_for(std::chrono::milliseconds(5));
                  });
              }),
              0.1)
        << "of 0.5 seconds that " << count - 1 << " threads waited";
  }
}

TEST(Threads, WaitForTheNextLoopAsleep) {
  for (int const count : {2, 4}) {
    halfstep::threads const team(count);
    EXPECT_LT(processor_seconds([&] {
                for (int round = 0; round < 100; ++round) {
                  team.for_each(count, [](index_t) {});
                  std::this_thread::sleep_for(std::chrono::milliseconds(5));
                }
              }),
              0.1)
        << "of 0.5 seconds between loops, by " << count << " threads";
  }
}

TEST(Threads, AreThereWhenTheyAreStarted) {
  halfstep::threads(6).start();
  std::atomic<int> arrived = 0;
  halfstep::threads(6).for_each(6, [&](index_t) {
    ++arrived;
    auto const end = std::chrono::steady_clock::now() + std::chrono::seconds(30);
    while (arrived < 6 && std::chrono::steady_clock::now() < end) std::this_thread::yield();
  });
  EXPECT_EQ(arrived, 6);
}

#if defined(__has_feature)
#define HALFSTEP_TEST_HAS(x) __has_feature(x)
#else
#define HALFSTEP_TEST_HAS(x) 0
#endif

TEST(Threads, WorkInWhatForkMakesOfAProcess) {
#if HALFSTEP_TEST_HAS(thread_sanitizer)
  GTEST_SKIP() << "the thread sanitizer knows no threads after fork";
#endif
  halfstep::threads const team(3);
  auto const all_are_called = [&] {
    std::vector<std::atomic<int>> calls(1000);
    for (int round = 0; round < 20; ++round) team.for_each(1000, [&](index_t i) { ++calls[static_cast<std::size_t>(i)]; });
    for (auto const& c : calls)
      if (c != 20) return false;
    return true;
  };
  ASSERT_TRUE(all_are_called());
  pid_t const child = ::fork();
  ASSERT_GE(child, 0);
  if (child == 0) ::_exit(all_are_called() ? 0 : 1);
  int status = 0;
  for (int i = 0; i < 3000 && ::waitpid(child, &status, WNOHANG) == 0; ++i)
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  ::kill(child, SIGKILL);
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0);
  EXPECT_TRUE(all_are_called());
}

}  // namespace
