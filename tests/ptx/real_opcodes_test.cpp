// Values from IEEE 754 by exact fractions, and from the text of the PTX ISA, 9.7.3 "Floating Point" and 9.7.4 "Half Precision".
#include <gtest/gtest.h>

#include "run_text.hpp"

namespace {

using ptx_test::give_results;
using ptx_test::is_refused;

constexpr std::uint64_t one = 0x3f800000, tenth = 0x3dcccccd, fifth = 0x3e4ccccd, third_of_one = 0x3e99999a;  // 1, 0.1, 0.2, 0.3
constexpr std::uint64_t infinity = 0x7f800000, nan = 0x7fffffff, other_nan = 0x7fc00001, minus_zero = 0x80000000;
constexpr std::uint64_t subnormal = 0x000116c2;  // 1e-40

TEST(RealOpcodes, RoundInEveryDirection) {
  EXPECT_TRUE(give_results({{"add.rn.f32 %f0, %f1, %f2", {tenth, fifth}, 0x3e99999a},
                            {"add.f32 %f0, %f1, %f2", {tenth, fifth}, 0x3e99999a},
                            {"add.rz.f32 %f0, %f1, %f2", {tenth, fifth}, 0x3e999999},
                            {"add.rm.f32 %f0, %f1, %f2", {tenth, fifth}, 0x3e999999},
                            {"add.rp.f32 %f0, %f1, %f2", {tenth, fifth}, 0x3e99999a},
                            {"add.rm.f32 %f0, %f1, %f2", {tenth | minus_zero, fifth | minus_zero}, 0xbe99999a},
                            {"mul.rn.f32 %f0, %f1, %f2", {tenth, third_of_one}, 0x3cf5c290},
                            {"mul.rp.f32 %f0, %f1, %f2", {tenth, third_of_one}, 0x3cf5c291},
                            {"sub.f32 %f0, %f1, %f2", {one, one}, 0},
                            {"sub.rm.f32 %f0, %f1, %f2", {one, one}, minus_zero},
                            {"div.rn.f32 %f0, %f1, %f2", {one, 0x40400000}, 0x3eaaaaab},
                            {"div.rz.f32 %f0, %f1, %f2", {one, 0x40400000}, 0x3eaaaaaa},
                            {"rcp.rn.f32 %f0, %f1", {0x40400000}, 0x3eaaaaab},
                            {"rcp.rm.f32 %f0, %f1", {0x40400000}, 0x3eaaaaaa},
                            {"sqrt.rn.f32 %f0, %f1", {0x40000000}, 0x3fb504f3},
                            {"sqrt.rp.f32 %f0, %f1", {0x40000000}, 0x3fb504f4},
                            {"add.f64 %d0, %d1, %d2", {0x3fb999999999999a, 0x3fc999999999999a}, 0x3fd3333333333334},
                            {"div.rn.f64 %d0, %d1, %d2", {0x3ff0000000000000, 0x4008000000000000}, 0x3fd5555555555555}}));
}

TEST(RealOpcodes, RoundAFusedMultiplicationOnce) {
  EXPECT_TRUE(give_results(
      {{"fma.rn.f32 %f0, %f1, %f2, %f3", {tenth, third_of_one, 0xbcf5c28f}, 0x311eb852},
       {"mad.rn.f32 %f0, %f1, %f2, %f3", {tenth, third_of_one, 0xbcf5c28f}, 0x311eb852},
       {"fma.rn.f64 %d0, %d1, %d2, %d3", {0x3ff0000000000001, 0x3ff0000000000001, 0xbff0000000000002}, 0x3970000000000000},
       {"fma.rn.sat.f32 %f0, %f1, %f2, %f3", {0x40000000, 0x40000000, 0}, one},
       {"fma.rn.sat.f32 %f0, %f1, %f2, %f3", {nan, one, 0}, 0}}));
}

TEST(RealOpcodes, FlushSubnormalNumbersWhereToldTo) {
  EXPECT_TRUE(give_results({{"add.f32 %f0, %f1, %f2", {subnormal, 0}, subnormal},
                            {"add.ftz.f32 %f0, %f1, %f2", {subnormal, 0}, 0},
                            {"mul.ftz.f32 %f0, %f1, %f2", {subnormal | minus_zero, one}, minus_zero},
                            {"mul.ftz.f32 %f0, %f1, %f2", {0x00800000, 0x3f000000}, 0},
                            {"mul.f32 %f0, %f1, %f2", {0x00800000, 0x3f000000}, 0x00400000},
                            {"fma.rn.ftz.f32 %f0, %f1, %f2, %f3", {subnormal, one, subnormal}, 0},
                            {"abs.ftz.f32 %f0, %f1", {subnormal | minus_zero}, 0},
                            {"max.ftz.f32 %f0, %f1, %f2", {subnormal, minus_zero}, 0}}));
}

TEST(RealOpcodes, AnswerWithTheCanonicalNan) {
  EXPECT_TRUE(give_results({{"add.f32 %f0, %f1, %f2", {other_nan, one}, nan},
                            {"add.f32 %f0, %f1, %f2", {infinity, infinity | minus_zero}, nan},
                            {"mul.f32 %f0, %f1, %f2", {infinity, 0}, nan},
                            {"div.rn.f32 %f0, %f1, %f2", {one, 0}, infinity},
                            {"sqrt.rn.f32 %f0, %f1", {one | minus_zero}, nan},
                            {"add.sat.f32 %f0, %f1, %f2", {other_nan, one}, 0},
                            {"add.sat.f32 %f0, %f1, %f2", {one, one}, one},
                            {"add.sat.f32 %f0, %f1, %f2", {one | minus_zero, 0}, 0}}));
}

TEST(RealOpcodes, ChooseNumbersBeforeNansAndZerosBySign) {
  EXPECT_TRUE(give_results({{"min.f32 %f0, %f1, %f2", {nan, one}, one},
                            {"max.f32 %f0, %f1, %f2", {one, nan}, one},
                            {"max.f32 %f0, %f1, %f2", {other_nan, other_nan}, nan},
                            {"max.NaN.f32 %f0, %f1, %f2", {one, other_nan}, nan},
                            {"min.f32 %f0, %f1, %f2", {0, minus_zero}, minus_zero},
                            {"max.f32 %f0, %f1, %f2", {minus_zero, 0}, 0},
                            {"min.f64 %d0, %d1, %d2", {0x3ff0000000000000, 0xbff0000000000000}, 0xbff0000000000000},
                            {"max.bf16x2 %r0, %r1, %r2", {0x3f803f80, 0x40007fff}, 0x40003f80},
                            {"max.NaN.bf16x2 %r0, %r1, %r2", {0x3f803f80, 0x4000ffc1}, 0x40007fff},
                            {"min.f16 %h0, %h1, %h2", {0x3c00, 0xbc00}, 0xbc00}}));
}

TEST(RealOpcodes, ChangeSigns) {
  EXPECT_TRUE(give_results({{"neg.f32 %f0, %f1", {one}, one | minus_zero},
                            {"abs.f32 %f0, %f1", {one | minus_zero}, one},
                            {"neg.f64 %d0, %d1", {0}, std::uint64_t{1} << 63},
                            {"abs.bf16x2 %r0, %r1", {0x80018002}, 0x00010002},
                            {"neg.f16 %h0, %h1", {0x3c00}, 0xbc00},
                            {"copysign.f32 %f0, %f1, %f2", {minus_zero, one}, one | minus_zero}}));
}

TEST(RealOpcodes, ComputeWithHalves) {
  EXPECT_TRUE(give_results({{"add.f16 %h0, %h1, %h2", {0x2e66, 0x34cd}, 0x3666},
                            {"mul.bf16 %h0, %h1, %h2", {0x3dcd, 0x3e9a}, 0x3cf7},
                            {"add.rn.f16 %h0, %h1, %h2", {0x6800, 0x3c00}, 0x6800},  // 2048 + 1: a tie, to the even one
                            {"add.f16 %h0, %h1, %h2", {0x7bff, 0x7bff}, 0x7c00},
                            {"fma.rn.f16 %h0, %h1, %h2, %h3", {0x3c01, 0x3c01, 0x0001}, 0x3c02},
                            {"fma.rn.f16 %h0, %h1, %h2, %h3", {0x4001, 0x3c00, 0xc001}, 0},
                            {"fma.rn.f16 %h0, %h1, %h2, %h3", {0x3c01, 0x3c01, 0xbc00}, 0x1800},   // 2^-9 + 2^-20: a tie
                            {"fma.rn.bf16 %h0, %h1, %h2, %h3", {0x3f80, 0x4380, 0x3f81}, 0x4381},  // 257 + 1/128: beyond the tie
                            // a tie less 2^-133, which FP64 cannot hold: below the tie all the same
                            {"fma.rn.bf16 %h0, %h1, %h2, %h3", {0x3f81, 0x3fc0, 0x8001}, 0x3fc1},
                            {"add.f16x2 %r0, %r1, %r2", {0x3c004000, 0x3c003c00}, 0x40004200},
                            {"add.sat.f16 %h0, %h1, %h2", {0x3c00, 0x3c00}, 0x3c00},
                            {"mul.ftz.f16 %h0, %h1, %h2", {0x0001, 0x3c00}, 0}}));
}

TEST(RealOpcodes, ApproximateWithinAUnitInTheLastPlace) {
  EXPECT_TRUE(give_results({{"ex2.approx.f32 %f0, %f1", {0x40400000}, 0x41000000},
                            {"ex2.approx.ftz.f32 %f0, %f1", {0xc3000000}, 0},  // 2^-128
                            {"lg2.approx.f32 %f0, %f1", {0x41000000}, 0x40400000},
                            {"rcp.approx.ftz.f32 %f0, %f1", {0x40000000}, 0x3f000000},
                            {"rsqrt.approx.f32 %f0, %f1", {0x40800000}, 0x3f000000},
                            {"sqrt.approx.f32 %f0, %f1", {0x40800000}, 0x40000000},
                            {"div.approx.f32 %f0, %f1, %f2", {one, 0x40000000}, 0x3f000000},
                            {"div.full.f32 %f0, %f1, %f2", {one, 0x40000000}, 0x3f000000},
                            {"tanh.approx.f32 %f0, %f1", {0}, 0},
                            {"sin.approx.f32 %f0, %f1", {0}, 0},
                            {"cos.approx.f32 %f0, %f1", {0}, one}}));
}

TEST(RealOpcodes, CompareWithNansInEitherWay) {
  EXPECT_TRUE(give_results({{"setp.eq.f32 %p0, %f1, %f2", {nan, nan}, 0},
                            {"setp.ne.f32 %p0, %f1, %f2", {nan, one}, 0},
                            {"setp.neu.f32 %p0, %f1, %f2", {nan, one}, 1},
                            {"setp.ltu.f32 %p0, %f1, %f2", {nan, one}, 1},
                            {"setp.lt.f32 %p0, %f1, %f2", {minus_zero, 0}, 0},
                            {"setp.num.f32 %p0, %f1, %f2", {one, nan}, 0},
                            {"setp.nan.f32 %p0, %f1, %f2", {one, nan}, 1},
                            {"setp.gt.ftz.f32 %p0, %f1, %f2", {subnormal, 0}, 0},
                            {"setp.gt.f64 %p0, %d1, %d2", {0x4000000000000000, 0x3ff0000000000000}, 1},
                            {"setp.lt.bf16 %p0, %h1, %h2", {0xbf80, 0x3f80}, 1},
                            {"setp.lt.and.s32 %p0, %r1, %r2, %p3", {0xffffffff, 0, 1}, 1},
                            {"setp.lt.and.s32 %p0, %r1, %r2, !%p3", {0xffffffff, 0, 1}, 0},
                            {"setp.lo.or.u32 %p0, %r1, %r2, %p3", {0xffffffff, 0, 1}, 1},
                            {"setp.hs.xor.u32 %p0, %r1, %r2, %p3", {0xffffffff, 0, 1}, 0},
                            {"setp.ge.s16 %p0, %h1, %h2", {0xffff, 0}, 0},
                            {"set.gt.u32.s32 %r0, %r1, %r2", {2, 1}, 0xffffffff},
                            {"set.gt.f32.s32 %f0, %r1, %r2", {2, 1}, one},
                            {"selp.b32 %r0, %r1, %r2, %p3", {5, 6, 0}, 6},
                            {"slct.b32.s32 %r0, %r1, %r2, %r3", {5, 6, 0x80000000}, 6},
                            {"testp.subnormal.f32 %p0, %f1", {subnormal}, 1},
                            {"testp.normal.f32 %p0, %f1", {subnormal}, 0},
                            {"testp.notanumber.f32 %p0, %f1", {nan}, 1}}));
  auto const o = ptx_test::run_text("setp.lt.u32 %p0|%p1, %t, 3; selp.b64 %rd1, 2, 0, %p1; selp.b64 %rd0, 1, %rd1, %p0;");
  EXPECT_EQ(o.values[2], 1u);
  EXPECT_EQ(o.values[3], 2u) << "the negation";
}

TEST(RealOpcodes, RefuseByNameWhatTheyDoNotKnow) {
  EXPECT_TRUE(is_refused("mov.b32 %f1, %t; div.f32 %f0, %f1, %f1;", "expected one of .rn .rz .rm .rp"));
  EXPECT_TRUE(is_refused("mov.b32 %f1, %t; max.xorsign.abs.f32 %f0, %f1, %f1;", "modifier .xorsign"));
  EXPECT_TRUE(is_refused("mov.b32 %f1, %t; setp.about.f32 %p0, %f1, %f1;", "comparison .about"));
  EXPECT_TRUE(is_refused("mov.b64 %d1, %out; add.ftz.f64 %d0, %d1, %d1;", ".f64 does not have"));
}

}  // namespace
