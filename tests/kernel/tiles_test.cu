#include <tuple>

#include <gtest/gtest.h>

#include <halfstep/core/bfloat16.hpp>
#include <halfstep/core/float16.hpp>
#include <halfstep/core/float8.hpp>
#include <halfstep/layout/fp16.hpp>
#include <halfstep/layout/fp8_block.hpp>
#include <halfstep/layout/fp8_tensor.hpp>
#include <halfstep/layout/int8_axis.hpp>
#include <halfstep/layout/int8_block.hpp>
#include <halfstep/layout/int8_tensor.hpp>

#include "device_cases.hpp"
#include "emulated_machine.hpp"

namespace {

using namespace halfstep;

template <class Composition>
class LayoutTiles : public testing::Test {};

using compositions =
    testing::Types<std::tuple<int8_axis, nearest, bfloat16>, std::tuple<int8_axis, stochastic, float>,
                   std::tuple<int8_axis, decided, float16>, std::tuple<int8_axis, nearest, double>,
                   std::tuple<int8_axis, nearest, float8_e4m3>, std::tuple<int8_block<16>, nearest, bfloat16>,
                   std::tuple<int8_block<64>, stochastic, bfloat16>, std::tuple<int8_block<128>, decided, float>,
                   std::tuple<int8_block<32>, nearest, float8_e5m2>, std::tuple<int8_tensor, nearest, bfloat16>,
                   std::tuple<int8_tensor, stochastic, float16>, std::tuple<int8_tensor, decided, float>,
                   std::tuple<fp8_tensor, nearest, bfloat16>, std::tuple<fp8_block<32>, stochastic, float>,
                   std::tuple<fp16, nearest, bfloat16>, std::tuple<fp16, stochastic, float>, std::tuple<fp16, decided, double>>;
TYPED_TEST_SUITE(LayoutTiles, compositions);

TYPED_TEST(LayoutTiles, GiveTheBitsOfTheHostThreadByThread) {
  using layout = std::tuple_element_t<0, TypeParam>;
  using rounding = std::tuple_element_t<1, TypeParam>;
  using source = std::tuple_element_t<2, TypeParam>;
  emulated_machine machine;
  for (extents2 const e : {extents2{1, 1},
                           {3, 37},
                           {17, 1024},
                           {5, 129},
                           {2, 24},
                           {64, 64},
                           {128, 256},
                           {256, 384},
                           {96, 32},
                           {1, 40000},
                           {48, 17000 / 16 * 16},
                           {0, 64},
                           {64, 0}}) {
    if (!layout::fits(e)) continue;
    for (auto const shift : device_cases::misalignments)
      EXPECT_TRUE((device_cases::layout_kernels_agree<layout, rounding, source>(machine, e, 0, shift)));
    EXPECT_TRUE((device_cases::layout_kernels_agree<layout, rounding, source>(machine, e, 777, {})));
  }
}

TYPED_TEST(LayoutTiles, DoNotDependOnTheComputeCapability) {
  using layout = std::tuple_element_t<0, TypeParam>;
  using rounding = std::tuple_element_t<1, TypeParam>;
  using source = std::tuple_element_t<2, TypeParam>;
  for (int const capability : {80, 100, 120}) {
    emulated_machine machine(capability);
    EXPECT_TRUE((device_cases::layout_kernels_agree<layout, rounding, source>(machine, {128, 1152}, 0, {})));
  }
}

template <class Source>
class SourceTiles : public testing::Test {};
using sources = testing::Types<double, float, float16, bfloat16, float8_e4m3, float8_e5m2>;
TYPED_TEST_SUITE(SourceTiles, sources);

TYPED_TEST(SourceTiles, GiveTheBitsOfTheHostThreadByThread) {
  emulated_machine machine;
  for (extents2 const e : {extents2{1, 1}, {3, 37}, {5, 16}, {7, 64}, {9, 256}, {3, 1024}, {11, 1536}, {200, 1000}, {0, 16}})
    for (index_t const shift : {0, 1}) EXPECT_TRUE(device_cases::source_kernels_agree<TypeParam>(machine, e, shift));
}

TEST(HadamardTiles, TransformGroupsOfAnySizeInPlace) {
  emulated_machine machine;
  for (int group = 1; group <= 1 << 18; group *= 2) {
    EXPECT_TRUE(device_cases::hadamard_agrees(machine, {3, group}, group));
    if (group <= 8192) EXPECT_TRUE(device_cases::hadamard_agrees(machine, {2, 3 * group}, group));
    if (group % 1024 == 128) EXPECT_TRUE(device_cases::hadamard_agrees(machine, {2, group}, group, 1.0f, 1));
  }
  EXPECT_TRUE(device_cases::hadamard_agrees(machine, {2, 16384}, 16384, 1.0f, 1));
}

TEST(RowTiles, GiveTheBitsOfTheHostAtEveryLength) {
  emulated_machine machine;
  for (index_t const columns : {384, 392, 3072, 4096, 4104, 5120, 8200, 12288, 12296, 16384, 16392, 18944, 32768, 32776}) {
    EXPECT_TRUE((device_cases::layout_kernels_agree<int8_axis, nearest, bfloat16>(machine, {3, columns}, 0, {0, 0})));
    EXPECT_TRUE((device_cases::layout_kernels_agree<int8_axis, decided, float16>(machine, {3, columns}, 0, {0, 0})));
  }
}

TEST(RowTiles, GiveTheBitsOfTheHostWhereAFewLanesHoldARow) {
  emulated_machine machine;
  for (index_t const columns : {32, 64, 128, 256})
    for (index_t const rows : {1, 37, 515})
      for (auto const shift : device_cases::misalignments)
        EXPECT_TRUE((device_cases::layout_kernels_agree<int8_axis, nearest, bfloat16>(machine, {rows, columns}, 0, shift)));
}

TEST(RowTiles, GiveTheBitsOfTheHostWhereOnlyWeightsOrOnlyCodesAreAligned) {
  emulated_machine machine;
  for (device_cases::misalignment const shift : {device_cases::misalignment{1, 0}, {0, 1}, {8, 0}, {4, 0}, {0, 8}, {0, 4}}) {
    EXPECT_TRUE((device_cases::layout_kernels_agree<int8_axis, nearest, bfloat16>(machine, {5, 1024}, 0, shift)));
    EXPECT_TRUE((device_cases::layout_kernels_agree<int8_tensor, nearest, bfloat16>(machine, {128, 384}, 0, shift)));
  }
}

TEST(RowTiles, FitTheScaleThatADivisionGives) {
  auto const check = [](std::uint32_t pattern) {
    value_range const range{float_of(pattern)};
    ASSERT_EQ(bits(detail::fit_group<int8_axis>(range)), bits(int8_axis::fit(range))) << pattern;
    ASSERT_EQ(bits(detail::fit_group<int8_block<128>>(range)), bits(int8_block<128>::fit(range))) << pattern;
  };
  for (std::uint32_t pattern = 0x3f800000; pattern < 0x40000000; ++pattern) check(pattern);
  for (std::uint32_t pattern = 0; pattern < 0x7f900000; pattern += 0x1357) check(pattern);
  for (std::uint32_t const pattern : {1u, 0x7f7fffffu, 0x7f800000u, 0x7fc00000u, 0x7fffffffu}) check(pattern);
}

TEST(RowTiles, RotateAndRoundAtOnce) {
  emulated_machine machine;
  for (index_t const columns : {256, 512, 1280, 4096, 4352, 8192, 8448, 16384, 16640, 18944, 24576})
    EXPECT_TRUE((device_cases::rotate_quantize_agrees<int8_axis, bfloat16>(machine, {3, columns}, 256, {0, 0}, true)));
  for (device_cases::misalignment const shift : {device_cases::misalignment{4, 4}, {1, 0}, {0, 1}})
    EXPECT_TRUE(
        (device_cases::rotate_quantize_agrees<int8_axis, float>(machine, {3, 1024}, 256, shift, shift.weights == shift.codes)));
  EXPECT_TRUE((device_cases::rotate_quantize_agrees<int8_axis, float16>(machine, {3, 1024}, 256, {0, 0}, true)));
  EXPECT_TRUE((device_cases::rotate_quantize_agrees<int8_axis, bfloat16>(machine, {2, 24832}, 256, {0, 0}, false)));
  for (int const group : {64, 1024})
    EXPECT_TRUE((device_cases::rotate_quantize_agrees<int8_axis, bfloat16>(machine, {2, 2048}, group, {0, 0}, false)));
}

TEST(ProductTiles, AgreeWithTheHost) {
  emulated_machine machine;
  for (index_t const k : {1, 16, 100}) {
    EXPECT_TRUE(device_cases::products_agree(machine, 1, 1, k));
    EXPECT_TRUE(device_cases::products_agree(machine, 70, 130, k));
  }
  EXPECT_TRUE(device_cases::products_agree(machine, 64, 64, 1000));
}

TEST(ProductTiles, AreTheBiasWhereNothingIsSummed) {
  emulated_machine machine;
  std::vector<float> const bias = {1.0f, 2.0f};
  std::vector<float> y(6, 9.0f);
  linear(machine.executor(), device_view<float const>(nullptr, {3, 0}), device_view<float const>(nullptr, {2, 0}),
         device_view<float const>(bias.data(), {1, 2}), device_view<float>(y.data(), {3, 2}));
  EXPECT_EQ(y, (std::vector<float>{1, 2, 1, 2, 1, 2}));
}

TEST(GeluTiles, AgreeWithTheHost) {
  emulated_machine machine;
  EXPECT_TRUE(device_cases::gelu_agrees(machine, {37, 101}));
  EXPECT_TRUE(device_cases::gelu_agrees(machine, {64, 64}));
}

TEST(GeluTiles, ReadNothingBeyondTheEndWhereAResultMayHaveTakenItsPlace) {
  using tile = detail::element_tile<detail::form_op<gelu_erf>, 4>;
  float* const nowhere = nullptr;
  tile const one{{}, nowhere, nowhere, 0, 1, detail::vector_grid(1), traversal::forward, 1};
  tile_nothing nothing;
  for (int const thread : {1, 31}) one.run(0, {0, 1, thread, 32}, nothing, nothing);
}

TEST(RangeTiles, ShowNanAndInfinityAsTheLargest) {
  emulated_machine machine;
  extents2 const e{4, 4096};
  std::vector<bfloat16> w = device_cases::weights<bfloat16>(e);
  w[5] = to_bfloat16(-INFINITY);
  w[4096 + 77] = to_bfloat16(NAN);
  std::vector<value_range> expected(4);
  group_range<int8_axis>(serial{}, host_view<bfloat16 const>(w.data(), e), host_view<value_range>(expected.data(), {4, 1}));
  std::vector<value_range> ranges(4), fused(4);
  std::vector<float> groups(4);
  std::vector<std::int8_t> codes(w.size());
  device_view<bfloat16 const> const weight(w.data(), e);
  group_range<int8_axis>(machine.executor(), weight, device_view<value_range>(ranges.data(), {4, 1}));
  fit_quantize<int8_axis>(machine.executor(), weight, device_view<value_range>(fused.data(), {4, 1}),
                          device_view<float>(groups.data(), {4, 1}), device_view<std::int8_t>(codes.data(), e), nearest{});
  EXPECT_TRUE(std::isinf(ranges[0].amax));
  EXPECT_TRUE(std::isnan(ranges[1].amax));
  EXPECT_TRUE(device_cases::same_bits(ranges, expected));
  EXPECT_TRUE(device_cases::same_bits(fused, expected));
}

TEST(QuantizeTiles, RefuseGroupsOfAnotherShape) {
  emulated_machine machine;
  std::vector<float> w(64), s(8);
  std::vector<std::int8_t> q(64);
  EXPECT_THROW(
      quantize<int8_axis>(machine.executor(), device_view<float const>(w.data(), {8, 8}),
                          device_view<float const>(s.data(), {1, 8}), device_view<std::int8_t>(q.data(), {8, 8}), nearest{}),
      shape_error);
}

TEST(Divider, DividesEveryNumberAsTheProcessorDoes) {
  std::mt19937 random(1);
  for (std::uint32_t divisor = 1; divisor < 0x80000000u;
       divisor = divisor < 300 ? divisor + 1 : divisor + divisor / 7 + random() % 5) {
    divider const by(divisor);
    for (std::uint32_t const n : {0u, 1u, divisor - 1, divisor, divisor * 2 - 1, 0x7fffffffu, 0x7ffffffeu,
                                  0x7fffffffu / divisor * divisor, 0x7fffffffu / divisor * divisor - 1}) {
      if (n < 0x80000000u) ASSERT_EQ(by.quotient(n), n / divisor) << n << " / " << divisor;
    }
    for (int i = 0; i < 1000; ++i) {
      std::uint32_t const n = random() >> 1;
      ASSERT_EQ(by.quotient(n), n / divisor) << n << " / " << divisor;
    }
  }
}

}  // namespace
