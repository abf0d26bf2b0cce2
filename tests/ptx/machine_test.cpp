// What the machine finds: each fault in a kernel of a few lines, and beside it the kernel without the fault.
#include "machine.hpp"

#include <gtest/gtest.h>

#include "run_text.hpp"

namespace {

using ptx_test::is_refused;
using ptx_test::run_text;

/// Thread t writes t to word t of shared memory; with `meet` between, it reads the word of thread 63 - t.
std::string exchange(std::string const& meet) {
  return ".shared .align 4 .b8 buffer[256]; mov.u32 %r1, buffer; shl.b32 %r2, %t, 2; add.s32 %r3, %r1, %r2; st.shared.u32 [%r3], "
         "%t;" +
         meet + " sub.s32 %r4, 252, %r2; add.s32 %r5, %r1, %r4; ld.shared.u32 %r0, [%r5]; cvt.u64.u32 %rd0, %r0;";
}

TEST(Machine, FindsTheBarrierThatIsMissing) {
  for (std::uint64_t seed = 1; seed < 5; ++seed) {
    auto const right = run_text(exchange("bar.sync 0;"), {0}, 64, seed);
    EXPECT_TRUE(right.found.empty()) << right.found.text();
    for (std::uint64_t t = 0; t < 64; ++t) EXPECT_EQ(right.values[t], 63 - t);
    EXPECT_TRUE(run_text(exchange(""), {0}, 64, seed).found.has("race in shared memory"));
    EXPECT_TRUE(run_text(exchange("bar.warp.sync -1;"), {0}, 64, seed).found.has("race in shared memory")) << "other warps";
  }
}

TEST(Machine, TakesAWarpsOwnBarrierForOrderWithinIt) {
  std::string const within =
      ".shared .align 4 .b8 b[128]; mov.u32 %r1, b; shl.b32 %r2, %t, 2; add.s32 %r3, %r1, %r2; st.shared.u32 [%r3], %t;";
  std::string const read = " sub.s32 %r4, 124, %r2; add.s32 %r5, %r1, %r4; ld.shared.u32 %r0, [%r5]; cvt.u64.u32 %rd0, %r0;";
  EXPECT_TRUE(run_text(within + "bar.warp.sync -1;" + read).found.empty());
  EXPECT_TRUE(run_text(within + read).found.has("race in shared memory"));
  EXPECT_TRUE(run_text(within + "setp.lt.u32 %p1, %t, 16; selp.b32 %r9, 0xffff, 0xffff0000, %p1; bar.warp.sync %r9;" + read)
                  .found.has("race in shared memory"))
      << "two halves that met, each by itself";
}

TEST(Machine, FindsAccessesThatAreMisalignedOrOutside) {
  EXPECT_TRUE(
      run_text("add.s64 %rd1, %in, 2; ld.global.u32 %r0, [%rd1]; mov.b64 %rd0, 0;", {0, 0}).found.has("a misaligned address"));
  EXPECT_TRUE(run_text("ld.global.u64 %rd0, [%in+8];", {7}).found.has("an address outside of every allocation"));
  EXPECT_TRUE(run_text(".shared .b8 b[16]; ld.shared.u32 %r0, [b+16]; mov.b64 %rd0, 0;")
                  .found.has("an address outside of shared memory"));
  EXPECT_TRUE(run_text("ld.param.u64 %rd0, [in+8];").found.has("an address outside of the parameters"));
}

TEST(Machine, FindsReadsOfWhatNobodyWrote) {
  EXPECT_TRUE(run_text("ld.global.u64 %rd0, [%place];").found.has("uninitialized global memory is read"));
  EXPECT_TRUE(
      run_text(".shared .b8 b[16]; ld.shared.u8 %r0, [b]; mov.b64 %rd0, 0;").found.has("uninitialized shared memory is read"));
  EXPECT_TRUE(run_text("add.s32 %r0, %r1, 1; mov.b64 %rd0, 0;").found.has("a register is read before it is written"));
  EXPECT_TRUE(run_text("setp.eq.u32 %p0, %t, %t; selp.b64 %rd0, 1, %rd5, %p0;").found.empty())
      << "what is not selected is not read";
}

TEST(Machine, TellsAtomicOperationsFromStores) {
  std::string const cell = "mov.b64 %rd1, %in;";
  auto const right = run_text(cell + "atom.global.add.u64 %rd0, [%rd1], 2;", {5}, 64);
  EXPECT_TRUE(right.found.empty()) << right.found.text();
  std::uint64_t sum = 0;
  for (std::uint64_t const old : right.values) sum += old;
  EXPECT_EQ(sum, 64u * 5 + 2 * (63 * 64 / 2)) << "every thread sees another value";
  EXPECT_TRUE(run_text(cell + "ld.global.u64 %rd0, [%rd1]; add.s64 %rd2, %rd0, 2; st.global.u64 [%rd1], %rd2;", {5}, 64)
                  .found.has("race in global memory"));
}

TEST(Machine, FindsThreadsAtDifferentBarriers) {
  EXPECT_TRUE(run_text("setp.lt.u32 %p1, %t, 32; @%p1 bra A; bar.sync 0; bra B; A: bar.sync 0; B: mov.b64 %rd0, 0;", {0}, 64)
                  .found.has("threads of a block wait at different barriers"));
  EXPECT_TRUE(run_text("setp.lt.u32 %p1, %t, 32; @%p1 ret; bar.sync 0; mov.b64 %rd0, 0;", {0}, 64)
                  .found.has("threads left before a barrier that others wait at"));
  EXPECT_TRUE(run_text("setp.lt.u32 %p1, %t, 32; @%p1 bra A; bar.sync 1, 32; A: mov.b64 %rd0, 0;", {0}, 64).found.empty())
      << "a barrier of one warp";
}

TEST(Machine, RefusesLaunchesThatAKernelDoesNotAllow) {
  ptx::machine m;
  m.load(".version 9.0\n.target sm_90\n.visible .entry k()\n.maxntid 64\n{\nret;\n}\n");
  m.run("k", {{1, 1, 1}, {64, 1, 1}, 0}, nullptr);
  EXPECT_TRUE(m.found().empty());
  EXPECT_THROW(m.run("k", {{1, 1, 1}, {96, 1, 1}, 0}, nullptr), ptx::fault);
  EXPECT_TRUE(m.found().has("more threads than the kernel allows"));
  EXPECT_THROW(m.run("k", {{1, 1, 1}, {32, 1, 1}, 300000}, nullptr), ptx::fault);
  m.run("k", {{1, 1, 1}, {40, 1, 1}, 0}, nullptr);
  EXPECT_TRUE(m.found().has("a block that is no multiple of 32 threads"));
}

TEST(Machine, RunsLoopsAndBranchesLaneByLane) {
  // lane t adds t, t times
  auto const o = run_text(
      "mov.b32 %r0, 0; mov.b32 %r1, 0; LOOP: setp.ge.u32 %p1, %r1, %t; @%p1 bra DONE; add.s32 %r0, %r0, %t; add.s32 %r1, %r1, 1; "
      "bra.uni LOOP; DONE: cvt.u64.u32 %rd0, %r0;");
  for (std::uint64_t l = 0; l < 32; ++l) EXPECT_EQ(o.values[l], l * l);
  EXPECT_TRUE(o.found.empty()) << o.found.text();
}

TEST(Machine, KeepsNamesOfBracesApart) {
  auto const o = run_text(
      "mov.b32 %r1, 1; { .reg .b32 x; mov.b32 x, 2; { .reg .b32 x; mov.b32 x, 5; add.s32 %r1, %r1, x; } add.s32 %r1, %r1, x; } "
      "cvt.u64.u32 %rd0, %r1;");
  EXPECT_EQ(o.word(), 8u);
}

TEST(Machine, CountsSectorsAndWavefronts) {
  ptx::machine m;
  m.load(ptx_test::module_of(
      ".shared .align 4 .b8 b[4096]; mov.u32 %r1, b; mad.lo.s32 %r2, %t, 128, %r1; st.shared.u32 [%r2], %t; mov.b64 %rd0, 0;"));
  void* const out = m.memory().allocate(256);
  void const* const arguments[] = {&out, &out};
  m.run("test", {{1, 1, 1}, {32, 1, 1}, 0}, arguments);
  ptx::counters const& c = m.counted().at("test");
  EXPECT_EQ(c.stores.requests, 1u);
  EXPECT_EQ(c.stores.sectors, 8u) << "256 bytes in a row";
  EXPECT_EQ(c.stores.bytes_a_sector(), 32.0);
  EXPECT_EQ(c.shared.wavefronts, 32u) << "all lanes want another word of one bank";
}

TEST(Machine, CopiesToSharedMemoryWhenThatIsWaitedFor) {
  std::string const copy =
      ".shared .align 16 .b8 b[512]; mov.u32 %r1, b; shl.b32 %r2, %t, 4; add.s32 %r3, %r1, %r2; mov.b64 %rd1, %in;"
      "cp.async.cg.shared.global [%r3], [%rd1], 16, 8; cp.async.commit_group;";
  auto const right =
      run_text(copy + "cp.async.wait_group 0; ld.shared.v2.u64 {%rd0, %rd2}, [%r3]; add.s64 %rd0, %rd0, %rd2;", {42, 99});
  EXPECT_TRUE(right.found.empty()) << right.found.text();
  EXPECT_EQ(right.values[3], 42u) << "eight bytes are read, eight are zeros";
  EXPECT_TRUE(run_text(copy + "cp.async.wait_group 1; ld.shared.u64 %rd0, [%r3];", {42, 99})
                  .found.has("uninitialized shared memory is read"));
}

TEST(Machine, MultipliesMatricesOfBytes) {
  // a[i][k] = 1 + i, b[k][j] = 1 + j: 32 (1 + i) (1 + j) + 1
  auto const o = run_text(
      "shr.u32 %r1, %t, 2; add.s32 %r1, %r1, 1; mul.lo.s32 %r2, %r1, 0x01010101; add.s32 %r3, %r1, 8; mul.lo.s32 %r3, %r3, "
      "0x01010101; mov.b32 %r4, 1;"
      "mma.sync.aligned.m16n8k32.row.col.s32.s8.s8.s32 {%r5, %r6, %r7, %r8}, {%r2, %r3, %r2, %r3}, {%r2, %r2}, {%r4, %r4, %r4, "
      "%r4};"
      "mov.b64 %rd0, {%r5, %r8};");
  for (std::uint64_t l = 0; l < 32; ++l) {
    std::uint64_t const row = l / 4, column = l % 4 * 2;
    EXPECT_EQ(o.values[l] & 0xffffffff, 32 * (1 + row) * (1 + column) + 1);
    EXPECT_EQ(o.values[l] >> 32, 32 * (9 + row) * (2 + column) + 1);
  }
}

TEST(Machine, LoadsMatricesByRows) {
  // row r of eight halves holds 8 r + column
  std::string const fill =
      ".shared .align 16 .b8 b[128]; mov.u32 %r1, b; shl.b32 %r2, %t, 2; add.s32 %r3, %r1, %r2; shl.b32 %r4, %t, 1; add.s32 %r5, "
      "%r4, 1;"
      "shl.b32 %r5, %r5, 16; or.b32 %r4, %r4, %r5; st.shared.b32 [%r3], %r4; bar.warp.sync -1; and.b32 %r6, %t, 7; mad.lo.s32 "
      "%r6, %r6, 16, %r1;";
  auto const plain = run_text(fill + "ldmatrix.sync.aligned.m8n8.x1.shared.b16 {%r7}, [%r6]; cvt.u64.u32 %rd0, %r7;");
  auto const turned = run_text(fill + "ldmatrix.sync.aligned.m8n8.x1.trans.shared.b16 {%r7}, [%r6]; cvt.u64.u32 %rd0, %r7;");
  for (std::uint64_t l = 0; l < 32; ++l) {
    EXPECT_EQ(plain.values[l], (2 * l) | (2 * l + 1) << 16);
    std::uint64_t const row = l % 4 * 2, column = l / 4;
    EXPECT_EQ(turned.values[l], (8 * row + column) | (8 * (row + 1) + column) << 16);
  }
}

TEST(Machine, RefusesByNameWhatItDoesNotKnow) {
  EXPECT_TRUE(is_refused("wgmma.fence.sync.aligned;", "opcode wgmma"));
  EXPECT_TRUE(is_refused("cp.async.bulk.commit_group;", "a copy that is not known"));
  EXPECT_TRUE(is_refused("mma.sync.aligned.m8n8k4.row.col.f32.f16.f16.f32 {%r0}, {%r1}, {%r2}, {%r3};", "m16n8k32"));
  EXPECT_TRUE(is_refused("ld.weird.u32 %r0, [%in];", "modifier .weird"));
  EXPECT_TRUE(is_refused("mov.u32 %r0, %envreg3;", "%envreg3"));
}

TEST(Machine, FollowsAtomicOperations) {
  struct one {
    char const* instruction;
    std::uint64_t before, after;
  };
  for (one const& a : {one{"red.global.add.s32 [%in], 5;", 7, 12},
                       {"red.global.max.s32 [%in], -3;", 0xfffffff0, 0xfffffffd},
                       {"red.global.max.u32 [%in], 3;", 0xfffffff0, 0xfffffff0},
                       {"red.global.min.u32 [%in], 3;", 7, 3},
                       {"red.global.inc.u32 [%in], 7;", 7, 0},
                       {"red.global.dec.u32 [%in], 7;", 0, 7},
                       {"red.global.or.b32 [%in], 8;", 7, 15},
                       {"red.global.and.b32 [%in], 3;", 6, 2},
                       {"red.global.xor.b32 [%in], 3;", 6, 5},
                       {"atom.global.exch.b32 %r0, [%in], 9;", 6, 9},
                       {"atom.global.cas.b32 %r0, [%in], 6, 9;", 6, 9},
                       {"atom.global.cas.b32 %r0, [%in], 5, 9;", 6, 6},
                       {"red.global.add.f32 [%in], 0f3F800000;", 0x3f800000, 0x40000000},
                       {"red.global.add.noftz.bf16x2 [%in], 0x3f804000;", 0x3f803f80, 0x40004040}}) {
    auto const o = run_text("setp.ne.u32 %p1, %t, 0; @%p1 bra END; " + std::string(a.instruction) +
                                " ld.global.u32 %r1, [%in]; cvt.u64.u32 %rd0, %r1; bra STORE; END: mov.b64 %rd0, 0; STORE:",
                            {a.before});
    EXPECT_EQ(o.word(), a.after) << a.instruction;
    EXPECT_TRUE(o.found.empty()) << o.found.text();
  }
}

}  // namespace
