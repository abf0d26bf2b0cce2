// Values from numpy and ml_dtypes and from the text of the PTX ISA, 9.7.9 "cvt".
#include <gtest/gtest.h>

#include "run_text.hpp"

namespace {

using ptx_test::give_results;
using ptx_test::is_refused;

constexpr std::uint64_t minus(std::uint64_t n) { return std::uint64_t{0} - n; }
constexpr std::uint64_t word(std::uint64_t n) { return n & 0xffffffffu; }
constexpr std::uint64_t nan = 0x7fffffff, infinity = 0x7f800000;

TEST(Conversions, OfIntegersCutExtendAndSaturate) {
  EXPECT_TRUE(give_results({{"cvt.u64.u32 %rd0, %r1", {0xffffffff}, 0xffffffff},
                            {"cvt.s64.s32 %rd0, %r1", {0xffffffff}, minus(1)},
                            {"cvt.u32.u64 %r0, %rd1", {0x123456789}, 0x23456789},
                            {"cvt.s32.s8 %r0, %r1", {0x80}, 0xffffff80},
                            {"cvt.u32.u8 %r0, %r1", {0x180}, 0x80},
                            {"cvt.s32.s16 %r0, %h1", {0x8000}, 0xffff8000},
                            {"cvt.sat.s8.s32 %r0, %r1", {word(minus(200))}, word(minus(128))},
                            {"cvt.sat.u8.s32 %r0, %r1", {word(minus(5))}, 0},
                            {"cvt.sat.u8.s32 %r0, %r1", {300}, 255},
                            {"cvt.sat.s32.u32 %r0, %r1", {0xffffffff}, 0x7fffffff},
                            {"cvt.pack.sat.s8.s32.b32 %r0, %r1, %r2, %r3", {300, word(minus(300)), 0x12345678}, 0x56787f80},
                            {"cvt.pack.sat.s16.s32 %r0, %r1, %r2", {40000, 5}, 0x7fff0005}}));
}

TEST(Conversions, OfRealsToIntegersRoundAndClamp) {
  EXPECT_TRUE(give_results({{"cvt.rni.s32.f32 %r0, %f1", {0x40200000}, 2},  // 2.5
                            {"cvt.rni.s32.f32 %r0, %f1", {0x40600000}, 4},  // 3.5
                            {"cvt.rzi.s32.f32 %r0, %f1", {0xc0200000}, word(minus(2))},
                            {"cvt.rmi.s32.f32 %r0, %f1", {0xc0200000}, word(minus(3))},
                            {"cvt.rpi.s32.f32 %r0, %f1", {0x40200000}, 3},
                            {"cvt.rzi.s32.f32 %r0, %f1", {0x501502f9}, 0x7fffffff},
                            {"cvt.rzi.s32.f32 %r0, %f1", {0xd01502f9}, 0x80000000},
                            {"cvt.rzi.u32.f32 %r0, %f1", {0xc0200000}, 0},
                            {"cvt.rzi.u32.f32 %r0, %f1", {infinity}, 0xffffffff},
                            {"cvt.rni.s32.f32 %r0, %f1", {nan}, 0},
                            {"cvt.rni.s64.f64 %rd0, %d1", {0x7ff8000000000000}, 0x8000000000000000},
                            {"cvt.rni.s8.f32 %r0, %f1", {0x4396599a}, 127},
                            {"cvt.rpi.ftz.s32.f32 %r0, %f1", {1}, 0},
                            {"cvt.rpi.s32.f32 %r0, %f1", {1}, 1},
                            {"cvt.rzi.s64.f32 %rd0, %f1", {0x501502f9}, 10000000000},
                            {"cvt.rni.s32.f16 %r0, %h1", {0x4100}, 2}}));
}

TEST(Conversions, OfIntegersToRealsRound) {
  EXPECT_TRUE(give_results({{"cvt.rn.f32.s32 %f0, %r1", {16777217}, 0x4b800000},
                            {"cvt.rn.f32.u32 %f0, %r1", {16777219}, 0x4b800002},
                            {"cvt.rp.f32.s32 %f0, %r1", {16777217}, 0x4b800001},
                            {"cvt.rz.f32.u32 %f0, %r1", {0xffffffff}, 0x4f7fffff},
                            {"cvt.rm.f32.s32 %f0, %r1", {word(minus(16777217))}, 0xcb800001},
                            {"cvt.rn.f32.s8 %f0, %r1", {0xff}, 0xbf800000},
                            {"cvt.rn.f32.u64 %f0, %rd1", {minus(1)}, 0x5f800000},
                            {"cvt.rn.f64.s64 %d0, %rd1", {minus(1)}, 0xbff0000000000000},
                            {"cvt.rn.f16.s32 %h0, %r1", {2049}, 0x6800},
                            {"cvt.rn.bf16.s32 %h0, %r1", {257}, 0x4380}}));
}

TEST(Conversions, BetweenRealsRoundOnce) {
  EXPECT_TRUE(give_results({{"cvt.rn.f16.f32 %h0, %f1", {0x3eaaaaab}, 0x3555},
                            {"cvt.rz.f16.f32 %h0, %f1", {0x477fffff}, 0x7bff},
                            {"cvt.rn.f16.f32 %h0, %f1", {0x477fffff}, 0x7c00},
                            {"cvt.rn.f16.f32 %h0, %f1", {0x33d6bf95}, 0x0002},  // 1e-7: subnormal
                            {"cvt.f32.f16 %f0, %h1", {0x0001}, 0x33800000},
                            {"cvt.f32.bf16 %f0, %h1", {0x3f81}, 0x3f810000},
                            {"cvt.rn.bf16.f32 %h0, %f1", {0x3f808000}, 0x3f80},  // ties to even
                            {"cvt.rn.bf16.f32 %h0, %f1", {0x3f818000}, 0x3f82},
                            {"cvt.rz.bf16.f32 %h0, %f1", {0x3f81ffff}, 0x3f81},
                            {"cvt.rn.bf16.f32 %h0, %f1", {0x7f800001}, 0x7fff},
                            {"cvt.rn.relu.bf16.f32 %h0, %f1", {0xbf800000}, 0},
                            {"cvt.rn.f32.f64 %f0, %d1", {0x3fb999999999999a}, 0x3dcccccd},
                            {"cvt.rn.f32.f64 %f0, %d1", {0x7e37e43c8800759c}, infinity},
                            {"cvt.rp.f32.f64 %f0, %d1", {0x3fd5555555555555}, 0x3eaaaaab},
                            {"cvt.rz.f32.f64 %f0, %d1", {0x3fd5555555555555}, 0x3eaaaaaa},
                            {"cvt.f64.f32 %d0, %f1", {0x3f800000}, 0x3ff0000000000000},
                            {"cvt.ftz.f64.f32 %d0, %f1", {1}, 0},
                            {"cvt.rni.f32.f32 %f0, %f1", {0x40200000}, 0x40000000},
                            {"cvt.sat.f32.f32 %f0, %f1", {0x40200000}, 0x3f800000},
                            {"cvt.rna.tf32.f32 %r0, %f1", {0x3f801000}, 0x3f802000}}));
}

TEST(Conversions, OfTwoNumbersFillBothHalves) {
  EXPECT_TRUE(give_results({{"cvt.rn.bf16x2.f32 %r0, %f1, %f2", {0x3f800000, 0x40000000}, 0x3f804000},
                            {"cvt.rn.f16x2.f32 %r0, %f1, %f2", {0x3f800000, 0x40000000}, 0x3c004000},
                            {"cvt.rn.satfinite.e4m3x2.f32 %h0, %f1, %f2", {0x447a0000, 0x3e99999a}, 0x7e2a},  // 1000, 0.3
                            {"cvt.rn.satfinite.e4m3x2.f32 %h0, %f1, %f2", {0xbca3d70a, 0x3b400000}, 0x8a02},  // -0.02, 3/1024
                            {"cvt.rn.satfinite.e4m3x2.f32 %h0, %f1, %f2", {nan, 0xff800000}, 0x7ffe},
                            {"cvt.rn.satfinite.e5m2x2.f32 %h0, %f1, %f2", {0x447a0000, 0x3e99999a}, 0x6435},
                            {"cvt.rn.f16x2.e4m3x2 %r0, %h1", {0x7e2a}, 0x5f003500},
                            {"cvt.rn.f16x2.e5m2x2 %r0, %h1", {0x6435}, 0x64003500}}));
}

TEST(Conversions, RefuseByNameWhatTheyDoNotKnow) {
  EXPECT_TRUE(is_refused("mov.b32 %f1, %t; cvt.f16.f32 %h0, %f1;", "rounding modifier"));
  EXPECT_TRUE(is_refused("mov.b32 %f1, %t; cvt.rn.s32.f32 %r0, %f1;", "not known"));
  EXPECT_TRUE(is_refused("cvt.f32.s32 %f0, %t;", "not known"));
  EXPECT_TRUE(is_refused("cvt.rs.bf16x2.f32 %r0, %f1, %f2, %r3;", ".rs"));
}

}  // namespace
