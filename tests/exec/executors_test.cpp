// Executors of host memory: every index once, exceptions in order.

#include <atomic>
#include <chrono>
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
}

}  // namespace
