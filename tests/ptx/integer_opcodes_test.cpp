// Values by hand from the text of the PTX ISA, 9.7.1 "Integer Arithmetic" and 9.7.8 "Logic and Shift".
#include <gtest/gtest.h>

#include "run_text.hpp"

namespace {

using ptx_test::give_results;
using ptx_test::is_refused;

constexpr std::uint64_t minus(std::uint64_t n) { return std::uint64_t{0} - n; }
constexpr std::uint64_t word(std::uint64_t n) { return n & 0xffffffffu; }

TEST(IntegerOpcodes, AddAndSubtractWithinTheirWidth) {
  EXPECT_TRUE(give_results({{"add.s32 %r0, %r1, %r2", {0x7fffffff, 1}, 0x80000000},
                            {"add.u64 %rd0, %rd1, %rd2", {minus(1), 2}, 1},
                            {"add.s16 %h0, %h1, %h2", {0xffff, 2}, 1},
                            {"add.sat.s32 %r0, %r1, %r2", {0x7fffffff, 1}, 0x7fffffff},
                            {"add.sat.s32 %r0, %r1, %r2", {0x80000000, 0xffffffff}, 0x80000000},
                            {"sub.s32 %r0, %r1, %r2", {0, 1}, 0xffffffff},
                            {"sub.sat.s32 %r0, %r1, %r2", {0x80000000, 1}, 0x80000000},
                            {"add.u16x2 %r0, %r1, %r2", {0xffff0001, 0x00010002}, 0x00000003}}));
}

TEST(IntegerOpcodes, MultiplyIntoTheLowTheHighAndTheWideResult) {
  EXPECT_TRUE(give_results({{"mul.lo.s32 %r0, %r1, %r2", {0x10001, 0x10001}, 0x20001},
                            {"mul.hi.u32 %r0, %r1, %r2", {0xffffffff, 0xffffffff}, 0xfffffffe},
                            {"mul.hi.s32 %r0, %r1, %r2", {0xffffffff, 0xffffffff}, 0},
                            {"mul.hi.s32 %r0, %r1, %r2", {0x80000000, 2}, 0xffffffff},
                            {"mul.wide.u32 %rd0, %r1, %r2", {0xffffffff, 2}, 0x1fffffffe},
                            {"mul.wide.s32 %rd0, %r1, %r2", {0xffffffff, 2}, minus(2)},
                            {"mul.wide.s16 %r0, %h1, %h2", {0xffff, 3}, word(minus(3))},
                            {"mul.hi.u64 %rd0, %rd1, %rd2", {minus(1), minus(1)}, minus(2)},
                            {"mul.hi.s64 %rd0, %rd1, %rd2", {minus(1), 5}, minus(1)},
                            {"mul24.lo.u32 %r0, %r1, %r2", {0x1000002, 3}, 6}}));
}

TEST(IntegerOpcodes, MultiplyAndAdd) {
  EXPECT_TRUE(
      give_results({{"mad.lo.s32 %r0, %r1, %r2, %r3", {7, word(minus(3)), 1}, word(minus(20))},
                    {"mad.hi.u32 %r0, %r1, %r2, %r3", {0x80000000, 4, 5}, 7},
                    {"mad.hi.sat.s32 %r0, %r1, %r2, %r3", {0x7fffffff, 0x7fffffff, 0x7fffffff}, 0x7fffffff},
                    {"mad.wide.s32 %rd0, %r1, %r2, %rd3", {word(minus(2)), 3, 10}, 4},
                    {"mad.wide.u32 %rd0, %r1, %r2, %rd3", {0xffffffff, 0xffffffff, 1}, 0xfffffffe00000002},
                    {"mad.lo.u64 %rd0, %rd1, %rd2, %rd3", {minus(1), 3, 4}, 1},
                    {"sad.u32 %r0, %r1, %r2, %r3", {3, 10, 100}, 107},
                    {"sad.s32 %r0, %r1, %r2, %r3", {word(minus(3)), 4, 100}, 107},
                    {"dp4a.s32.s32 %r0, %r1, %r2, %r3", {0x80ff0102, 0x7f020304, 10}, word(minus(127 * 128) - 2 + 3 + 8 + 10)},
                    {"dp4a.u32.s32 %r0, %r1, %r2, %r3", {0xff000000, 0xff000000, 0}, word(minus(255))}}));
}

TEST(IntegerOpcodes, DivideTowardsZero) {
  EXPECT_TRUE(give_results({{"div.s32 %r0, %r1, %r2", {word(minus(7)), 2}, word(minus(3))},
                            {"rem.s32 %r0, %r1, %r2", {word(minus(7)), 2}, word(minus(1))},
                            {"div.u32 %r0, %r1, %r2", {0xfffffff9, 2}, 0x7ffffffc},
                            {"div.s64 %rd0, %rd1, %rd2", {minus(7), minus(2)}, 3},
                            {"rem.u64 %rd0, %rd1, %rd2", {100, 7}, 2},
                            {"div.s16 %h0, %h1, %h2", {0xfff9, 2}, 0xfffd}}));
  auto const o = ptx_test::run_text("mov.b32 %r1, 0; div.u32 %r0, %t, %r1; mov.b64 %rd0, 0;");
  EXPECT_TRUE(o.found.has("division by zero"));
}

TEST(IntegerOpcodes, ChooseNegateAndTakeMagnitudes) {
  EXPECT_TRUE(give_results({{"min.s32 %r0, %r1, %r2", {word(minus(1)), 1}, word(minus(1))},
                            {"min.u32 %r0, %r1, %r2", {word(minus(1)), 1}, 1},
                            {"max.s64 %rd0, %rd1, %rd2", {minus(5), 3}, 3},
                            {"max.u16x2 %r0, %r1, %r2", {0x00058000, 0x00041000}, 0x00058000},
                            {"max.s16x2 %r0, %r1, %r2", {0x00058000, 0x00041000}, 0x00051000},
                            {"min.u16 %h0, %h1, %h2", {0xffff, 2}, 2},
                            {"neg.s32 %r0, %r1", {5}, word(minus(5))},
                            {"neg.s64 %rd0, %rd1", {1}, minus(1)},
                            {"abs.s32 %r0, %r1", {word(minus(5))}, 5},
                            {"abs.s32 %r0, %r1", {0x80000000}, 0x80000000}}));
}

TEST(IntegerOpcodes, ShiftByTheWidthAndMore) {
  EXPECT_TRUE(give_results({{"shl.b32 %r0, %r1, %r2", {1, 31}, 0x80000000},
                            {"shl.b32 %r0, %r1, %r2", {1, 32}, 0},
                            {"shl.b64 %rd0, %rd1, %r2", {1, 40}, std::uint64_t{1} << 40},
                            {"shl.b16 %h0, %h1, %r2", {0xffff, 8}, 0xff00},
                            {"shr.u32 %r0, %r1, %r2", {0x80000000, 33}, 0},
                            {"shr.s32 %r0, %r1, %r2", {0x80000000, 33}, 0xffffffff},
                            {"shr.s32 %r0, %r1, %r2", {0x80000000, 4}, 0xf8000000},
                            {"shr.b64 %rd0, %rd1, %r2", {minus(1), 60}, 15},
                            {"shr.s64 %rd0, %rd1, %r2", {minus(2), 100}, minus(1)},
                            {"shf.l.wrap.b32 %r0, %r1, %r2, %r3", {0x80000001, 0x12345678, 4}, 0x23456788},
                            {"shf.l.wrap.b32 %r0, %r1, %r2, %r3", {0x80000001, 0x12345678, 32}, 0x12345678},
                            {"shf.l.clamp.b32 %r0, %r1, %r2, %r3", {0x80000001, 0x12345678, 40}, 0x80000001},
                            {"shf.r.wrap.b32 %r0, %r1, %r2, %r3", {0x80000001, 0x12345678, 36}, 0x88000000},
                            {"shf.r.clamp.b32 %r0, %r1, %r2, %r3", {0x80000001, 0x12345678, 40}, 0x12345678}}));
}

TEST(IntegerOpcodes, CombineBits) {
  EXPECT_TRUE(
      give_results({{"and.b32 %r0, %r1, %r2", {0xff00ff, 0x0ff0}, 0xf0},
                    {"or.b64 %rd0, %rd1, %rd2", {1, minus(2)}, minus(1)},
                    {"xor.b16 %h0, %h1, %h2", {0xff, 0xf0f}, 0xff0},
                    {"not.b32 %r0, %r1", {0xff}, 0xffffff00},
                    {"cnot.b32 %r0, %r1", {0}, 1},
                    {"and.pred %p0, %p1, %p2", {1, 0}, 0},
                    {"xor.pred %p0, %p1, %p2", {1, 0}, 1},
                    {"not.pred %p0, %p1", {0}, 1},
                    {"lop3.b32 %r0, %r1, %r2, %r3, 0x80", {0xff, 0x3c, 0x18}, 0x18},                // a & b & c
                    {"lop3.b32 %r0, %r1, %r2, %r3, 0x96", {0xff, 0x3c, 0x18}, 0xff ^ 0x3c ^ 0x18},  // a ^ b ^ c
                    {"lop3.b32 %r0, %r1, %r2, %r3, 0x1a", {0xff0f, 0x3c3c, 0x5555}, (((0xff0fu & 0x3c3cu) | 0x5555u) ^ 0xff0fu)},
                    {"clz.b32 %r0, %r1", {1}, 31},
                    {"clz.b32 %r0, %r1", {0}, 32},
                    {"clz.b64 %r0, %rd1", {1}, 63},
                    {"popc.b64 %r0, %rd1", {minus(1)}, 64},
                    {"brev.b32 %r0, %r1", {0x1}, 0x80000000},
                    {"bfind.u32 %r0, %r1", {0x100}, 8},
                    {"bfind.s32 %r0, %r1", {word(minus(1))}, 0xffffffff},
                    {"bfind.shiftamt.u32 %r0, %r1", {0x100}, 23}}));
}

TEST(IntegerOpcodes, TakeFieldsOutAndPutThemIn) {
  EXPECT_TRUE(
      give_results({{"bfe.u32 %r0, %r1, %r2, %r3", {0xabcd1234, 8, 8}, 0x12},
                    {"bfe.s32 %r0, %r1, %r2, %r3", {0xabcd1234, 24, 8}, 0xffffffab},
                    {"bfe.s32 %r0, %r1, %r2, %r3", {0xabcd1234, 28, 8}, 0xfffffffa},  // the field is cut off: the sign is bit 31
                    {"bfe.u32 %r0, %r1, %r2, %r3", {0xabcd1234, 28, 8}, 0xa},
                    {"bfe.s32 %r0, %r1, %r2, %r3", {0xabcd1234, 40, 8}, 0xffffffff},
                    {"bfe.s32 %r0, %r1, %r2, %r3", {0xabcd1234, 4, 0}, 0},
                    {"bfe.u64 %rd0, %rd1, %r2, %r3", {0x123456789abcdef0, 32, 16}, 0x5678},
                    {"bfi.b32 %r0, %r1, %r2, 8, 8", {0xff12, 0xaaaaaaaa}, 0xaaaa12aa},
                    {"bfi.b32 %r0, %r1, %r2, 28, 8", {0xff, 0}, 0xf0000000},
                    {"bfi.b32 %r0, %r1, %r2, 32, 8", {0xff, 5}, 5},
                    {"bfi.b64 %rd0, %rd1, %rd2, 32, 32", {0x12345678, 0x9abcdef0}, 0x123456789abcdef0},
                    {"bmsk.clamp.b32 %r0, %r1, %r2", {4, 8}, 0xff0},
                    {"bmsk.clamp.b32 %r0, %r1, %r2", {32, 8}, 0},
                    {"bmsk.wrap.b32 %r0, %r1, %r2", {36, 8}, 0xff0},
                    {"szext.clamp.s32 %r0, %r1, %r2", {0xf8, 4}, 0xfffffff8},
                    {"szext.wrap.u32 %r0, %r1, %r2", {0xfff8, 36}, 8}}));
}

TEST(IntegerOpcodes, PermuteBytesInEveryMode) {
  constexpr std::uint64_t a = 0x33221180, b = 0x77665544;  // bytes 0 .. 7: 80 11 22 33 44 55 66 77
  EXPECT_TRUE(give_results({{"prmt.b32 %r0, %r1, %r2, 0x7531", {a, b}, 0x77553311},
                            {"prmt.b32 %r0, %r1, %r2, 0x8888", {a, b}, 0xffffffff},
                            {"prmt.b32 %r0, %r1, %r2, 0x9810", {a, b}, 0x00ff1180},
                            {"prmt.b32.f4e %r0, %r1, %r2, 1", {a, b}, 0x44332211},
                            {"prmt.b32.b4e %r0, %r1, %r2, 1", {a, b}, 0x66778011},
                            {"prmt.b32.rc8 %r0, %r1, %r2, 2", {a, b}, 0x22222222},
                            {"prmt.b32.ecl %r0, %r1, %r2, 2", {a, b}, 0x33222222},
                            {"prmt.b32.ecr %r0, %r1, %r2, 1", {a, b}, 0x11111180},
                            {"prmt.b32.rc16 %r0, %r1, %r2, 1", {a, b}, 0x33223322}}));
}

TEST(IntegerOpcodes, RefuseByNameWhatTheyDoNotKnow) {
  EXPECT_TRUE(is_refused("addc.s32 %r0, %t, %t;", "opcode addc"));
  EXPECT_TRUE(is_refused("add.cc.s32 %r0, %t, %t;", "modifier .cc"));
  EXPECT_TRUE(is_refused("add.s33 %r0, %t, %t;", "no type that is known"));
  EXPECT_TRUE(is_refused("add.s32 %r0, %t;", "too few operands"));
  EXPECT_TRUE(is_refused("add.s32 %r0, %t, %t, %t;", "operands that have no meaning"));
  EXPECT_TRUE(is_refused("add.sat.u32 %r0, %t, %t;", "saturation"));
  EXPECT_TRUE(is_refused("mul.s32 %r0, %t, %t;", "expected one of .lo .hi .wide"));
  EXPECT_TRUE(is_refused("add.s32 %r0, %undeclared, %t;", "%undeclared"));
  EXPECT_TRUE(is_refused(".maxclusterrank 3;", ".maxclusterrank"));
}

}  // namespace
