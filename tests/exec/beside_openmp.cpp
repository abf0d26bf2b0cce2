// The executor `threads` in a program with loops of OpenMP: inside them, around them, and one after the other.

#include <atomic>

#include <omp.h>

#include <gtest/gtest.h>

#include <halfstep/exec/threads.hpp>

namespace {

using halfstep::index_t;

TEST(ThreadsBesideOpenMp, RunInsideItsLoops) {
  std::atomic<int> calls = 0;
#pragma omp parallel for num_threads(4)
  for (int i = 0; i < 50; ++i) halfstep::threads(3).for_each(20, [&](index_t) { ++calls; });
  EXPECT_EQ(calls, 1000);
}

TEST(ThreadsBesideOpenMp, RunItsLoops) {
  std::atomic<int> calls = 0;
  halfstep::threads(3).for_each(10, [&](index_t) {
#pragma omp parallel for num_threads(2)
    for (int i = 0; i < 20; ++i) ++calls;
  });
  EXPECT_EQ(calls, 200);
}

TEST(ThreadsBesideOpenMp, DoNotChangeItsTeam) {
  omp_set_num_threads(3);
  std::atomic<int> calls = 0;
  for (int round = 0; round < 20; ++round) {
    halfstep::threads(2).for_each(7, [&](index_t) { ++calls; });
#pragma omp parallel
    calls += omp_get_num_threads() == 3 ? 1 : 100;
  }
  EXPECT_EQ(calls, 20 * (7 + 3));
}

}  // namespace
