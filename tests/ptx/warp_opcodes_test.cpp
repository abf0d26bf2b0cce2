// Values by hand from the text of the PTX ISA, 9.7.9 "Data Movement: shfl.sync" and 9.7.13 "Parallel Synchronization".
#include <bit>

#include <gtest/gtest.h>

#include "run_text.hpp"

namespace {

using ptx_test::is_refused;
using ptx_test::run_text;

/// Stores r0 of every lane.
std::string const store_r0 = " cvt.u64.u32 %rd0, %r0;";

TEST(WarpOpcodes, ShuffleInEveryMode) {
  auto const up = run_text("shfl.sync.up.b32 %r0, %t, 3, 0, -1;" + store_r0);
  auto const down =
      run_text("shfl.sync.down.b32 %r0|%p0, %t, 3, 31, -1; selp.b32 %r1, 100, 0, %p0; add.s32 %r0, %r0, %r1;" + store_r0);
  auto const butterfly = run_text("shfl.sync.bfly.b32 %r0, %t, 5, 31, -1;" + store_r0);
  auto const segments = run_text("shfl.sync.idx.b32 %r0, %t, 2, 0x1807, -1;" + store_r0);  // segments of 8 lanes
  for (std::uint64_t l = 0; l < 32; ++l) {
    EXPECT_EQ(up.values[l], l < 3 ? l : l - 3);
    EXPECT_EQ(down.values[l], l + 3 > 31 ? l : l + 3 + 100);
    EXPECT_EQ(butterfly.values[l], l ^ 5);
    EXPECT_EQ(segments.values[l], l / 8 * 8 + 2);
  }
}

TEST(WarpOpcodes, Vote) {
  auto const o = run_text(
      "setp.lt.u32 %p1, %t, 5; vote.sync.ballot.b32 %r0, %p1, -1; vote.sync.any.pred %p2, %p1, -1; vote.sync.all.pred %p3, %p1, "
      "-1;"
      "vote.sync.uni.pred %p4, !%p3, -1; selp.b32 %r1, 256, 0, %p2; selp.b32 %r2, 512, 0, %p3; selp.b32 %r3, 1024, 0, %p4;"
      "add.s32 %r0, %r0, %r1; add.s32 %r0, %r0, %r2; add.s32 %r0, %r0, %r3;" +
      store_r0);
  EXPECT_EQ(o.values[7], 31u + 256 + 1024);
}

TEST(WarpOpcodes, ReduceWithinEachMask) {
  auto const o =
      run_text("setp.lt.u32 %p1, %t, 16; selp.b32 %r1, 0xffff, 0xffff0000, %p1; redux.sync.add.s32 %r0, %t, %r1;" + store_r0);
  EXPECT_EQ(o.values[0], 120u);
  EXPECT_EQ(o.values[31], 376u);
  EXPECT_TRUE(o.found.empty()) << o.found.text();
  EXPECT_EQ(run_text("sub.s32 %r1, %t, 5; redux.sync.min.s32 %r0, %r1, -1;" + store_r0).word(), 0xfffffffbu);
  EXPECT_EQ(run_text("sub.s32 %r1, %t, 5; redux.sync.max.u32 %r0, %r1, -1;" + store_r0).word(), 0xffffffffu);
  EXPECT_EQ(run_text("redux.sync.xor.b32 %r0, %t, -1;" + store_r0).word(), 0u);
}

TEST(WarpOpcodes, MatchValues) {
  auto const any = run_text("and.b32 %r1, %t, 3; match.any.sync.b32 %r0, %r1, -1;" + store_r0);
  for (unsigned l = 0; l < 32; ++l) EXPECT_EQ(any.values[l], 0x11111111u << l % 4);
  auto const all = run_text("match.all.sync.b64 %r0|%p0, %in, -1; selp.b32 %r0, %r0, 0, %p0;" + store_r0);
  EXPECT_EQ(all.word(), 0xffffffffu);
  EXPECT_EQ(run_text("match.all.sync.b32 %r0|%p0, %t, -1;" + store_r0).word(), 0u);
}

TEST(WarpOpcodes, WaitForTheLanesOfTheirMask) {
  // half of the warp goes a way of its own and meets the other half at the shuffle
  for (std::uint64_t seed = 1; seed < 20; ++seed) {
    auto const o = run_text(
        "mov.b32 %r1, 5; setp.lt.u32 %p1, %t, 16; @%p1 bra OTHER; mov.b32 %r1, 7; OTHER: shfl.sync.bfly.b32 %r0, %r1, 16, 31, "
        "-1;" +
            store_r0,
        {0}, 32, seed);
    EXPECT_EQ(o.values[0], 7u);
    EXPECT_EQ(o.values[31], 5u);
    EXPECT_TRUE(o.found.empty()) << o.found.text();
  }
}

TEST(WarpOpcodes, NeedRightMasks) {
  EXPECT_TRUE(run_text("redux.sync.add.s32 %r0, %t, 0xffff;" + store_r0)
                  .found.has("a thread is not in the mask of its own warp instruction"));
  EXPECT_TRUE(run_text("setp.lt.u32 %p1, %t, 16; selp.b32 %r1, 0x1ffff, -1, %p1; redux.sync.add.s32 %r0, %t, %r1;" + store_r0)
                  .found.has("threads of one warp instruction give different masks"));
  EXPECT_TRUE(run_text("setp.lt.u32 %p1, %t, 16; mov.b32 %r0, 0; @%p1 redux.sync.add.s32 %r0, %t, -1;" + store_r0)
                  .found.has("a warp instruction names threads whose guard keeps them from it"));
  EXPECT_TRUE(run_text("setp.ge.u32 %p1, %t, 16; @%p1 ret; shfl.sync.bfly.b32 %r0, %t, 16, 31, -1;" + store_r0)
                  .found.has("a shuffle reads a thread that does not take part"));
  EXPECT_TRUE(
      run_text(
          "setp.lt.u32 %p1, %t, 16; @%p1 bra A; redux.sync.add.s32 %r0, %t, -1; bra B; A: redux.sync.add.s32 %r0, %t, -1; B:" +
          store_r0)
          .found.has("threads of a warp wait for each other at different places"));
}

TEST(WarpOpcodes, NameOneLane) {
  auto const o = run_text(
      "elect.sync %r0|%p0, -1; selp.b32 %r1, 1, 0, %p0; add.s32 %r0, %r0, %r1; activemask.b32 %r2; and.b32 %r2, %r2, 0; or.b32 "
      "%r0, %r0, %r2;" +
      store_r0);
  EXPECT_EQ(o.values[0], 1u);
  EXPECT_EQ(o.values[9], 0u);
}

TEST(WarpOpcodes, AreRefusedInFormsWithoutSync) {
  EXPECT_TRUE(is_refused("vote.any.pred %p1, %p2;", "expected .sync"));
  EXPECT_TRUE(is_refused("shfl.up.b32 %r0, %t, 1, 0;", "expected .sync"));
}

}  // namespace
