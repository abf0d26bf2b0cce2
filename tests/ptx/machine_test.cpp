#include "machine.hpp"

#include <gtest/gtest.h>

#include "run_text.hpp"

namespace {

using ptx_test::run_text;

TEST(Machine, RunsAllThreads) {
  auto const o = run_text("cvt.u64.u32 %rd0, %t;", {0}, 64);
  for (std::uint64_t t = 0; t < 64; ++t) EXPECT_EQ(o.values[t], t);
  EXPECT_TRUE(o.found.empty()) << o.found.text();
}

}  // namespace
