// Shapes, groups and fitted scales of the layouts.

#include <cmath>
#include <limits>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <halfstep/core/arithmetic.hpp>
#include <halfstep/exec/serial.hpp>
#include <halfstep/kernel/dequantize.hpp>
#include <halfstep/layout/fp16.hpp>
#include <halfstep/layout/group_rows.hpp>
#include <halfstep/layout/int8_axis.hpp>
#include <halfstep/layout/int8_block.hpp>
#include <halfstep/layout/int8_tensor.hpp>
#include <halfstep/layout/transposed.hpp>
#include <halfstep/tensor/quantizer.hpp>

namespace {

using halfstep::extents2;
using halfstep::fp16;
using halfstep::host_view;
using halfstep::index_t;
using halfstep::int8_axis;
using halfstep::int8_block;
using halfstep::int8_tensor;
using halfstep::transposed;

static_assert(halfstep::check_layout<int8_block<64>>() && halfstep::check_layout<int8_axis>() &&
              halfstep::check_layout<int8_tensor>() && halfstep::check_layout<fp16>() &&
              halfstep::check_layout<transposed<int8_axis>>());

TEST(Int8Block, HasAScaleForEveryTile) {
  extents2 const e{256, 384};
  EXPECT_EQ(int8_block<128>::groups(e), (extents2{2, 3}));
  EXPECT_EQ(int8_block<128>::group_of(e, 127, 383), 2);
  EXPECT_EQ(int8_block<128>::group_of(e, 128, 0), 3);
  EXPECT_TRUE(int8_block<64>::fits({64, 128}));
  EXPECT_FALSE(int8_block<64>::fits({64, 130}));
  EXPECT_FALSE(int8_block<64>::fits({65, 128}));
  EXPECT_EQ(halfstep::rows_per_group<int8_block<128>>(e), 128);
}

TEST(Int8Axis, HasAScaleForEveryRow) {
  EXPECT_EQ(int8_axis::groups({7, 9}), (extents2{7, 1}));
  EXPECT_EQ(int8_axis::group_of({7, 9}, 6, 8), 6);
  EXPECT_EQ(halfstep::rows_per_group<int8_axis>({7, 9}), 1);
}

TEST(Int8Tensor, HasOneScale) {
  EXPECT_EQ(int8_tensor::groups({7, 9}), (extents2{1, 1}));
  EXPECT_TRUE(halfstep::spans_all_rows<int8_tensor>({7, 9}));
  EXPECT_FALSE(halfstep::spans_all_rows<int8_block<16>>({16, 32}));
  EXPECT_FALSE(halfstep::spans_all_rows<int8_axis>({1, 32}));
  EXPECT_FALSE(halfstep::spans_all_rows<fp16>({7, 9}));
}

TEST(Transposed, HasTheGroupsOfTheTranspose) {
  using layout = transposed<int8_axis>;
  extents2 const e{5, 8};
  EXPECT_EQ(layout::groups(e), (extents2{1, 8}));
  EXPECT_EQ(layout::run(e), 1);
  EXPECT_EQ(layout::group_of(e, 4, 6), 6);
  EXPECT_TRUE(halfstep::spans_all_rows<layout>(e));
  using block = transposed<int8_block<16>>;  // its own transpose by another way
  for (index_t row : {0, 15, 16, 40})
    for (index_t column : {0, 17, 63})
      EXPECT_EQ(block::group_of({48, 64}, row, column), int8_block<16>::group_of({48, 64}, row, column)) << row << ", " << column;
  static_assert(std::is_same_v<halfstep::transpose_of<layout>::type, int8_axis>);
}

template <class Layout>
class Int8Layouts : public testing::Test {};
using int8_layouts = testing::Types<int8_block<16>, int8_axis, int8_tensor>;
TYPED_TEST_SUITE(Int8Layouts, int8_layouts);

TYPED_TEST(Int8Layouts, PutTheLargestMagnitudeOnTheLastCode) {
  for (float const amax : {1.0f, 1e-5f, 3.4e38f, std::numeric_limits<float>::max(), 127.0f, 0.1f}) {
    std::vector<float> weight(16 * 16, -amax);
    weight[1] = amax;
    weight[2] = amax / 2;
    auto const q = halfstep::quantizer<TypeParam>()(halfstep::serial{}, host_view<float const>(weight.data(), {16, 16}));
    EXPECT_EQ(q.groups().data()[0], amax / 127.0f) << amax;
    EXPECT_EQ(q.codes().data()[0], -127) << amax;
    EXPECT_EQ(q.codes().data()[1], 127) << amax;
    EXPECT_NEAR(q.codes().data()[2], 64, 1) << amax;
  }
}

TYPED_TEST(Int8Layouts, MakeZerosOfZerosAndOfWhatTheFloorHides) {
  float const floor = TypeParam::fit({0.0f});
  EXPECT_EQ(floor, TypeParam::name == "int8_blockwise" ? 1e-8f : 1e-30f);
  for (float const tiny : {0.0f, -0.0f, 1e-45f, -1e-40f, 1e-38f}) {
    std::vector<float> const weight(16 * 16, tiny);
    auto const q = halfstep::quantizer<TypeParam>()(halfstep::serial{}, host_view<float const>(weight.data(), {16, 16}));
    EXPECT_EQ(q.groups().data()[0], floor);
    for (index_t i = 0; i < 256; ++i) ASSERT_EQ(q.codes().data()[i], 0);
    halfstep::host_buffer<float> plain(256);
    halfstep::dequantize<TypeParam>(halfstep::serial{}, q.codes(), q.groups(), plain.view({16, 16}));
    for (float const x : plain) ASSERT_EQ(halfstep::bits(x), 0);
  }
}

TEST(Fp16, BracketsEveryNumberBetweenItsNeighbours) {
  // Around and between all FP16 numbers: the nearer code is the cast's, the farther one is on the other side.
  for (std::uint32_t p = 0; p < 0x7bff; ++p) {
    float const low = widen(static_cast<halfstep::float16>(p)), high = widen(static_cast<halfstep::float16>(p + 1));
    for (float const part : {0.0f, 0.25f, 0.4375f, 0.5f, 0.75f}) {
      for (float const sign : {1.0f, -1.0f}) {
        float const x = sign * (low + (high - low) * part);
        auto const b = fp16::locate(x, {});
        ASSERT_EQ(b.nearer, halfstep::to_float16(x)) << x;
        float const t = part > 0.5f ? 1.0f - part : part;
        ASSERT_EQ(b.t, t) << x;
        if (t == 0.0f) continue;
        float const nearer = widen(b.nearer), farther = widen(b.farther);
        ASSERT_EQ(std::fmin(std::fabs(nearer), std::fabs(farther)), low) << x;
        ASSERT_EQ(std::fmax(std::fabs(nearer), std::fabs(farther)), high) << x;
        ASSERT_FALSE(std::signbit(farther) != std::signbit(x) && farther != 0.0f) << x;
      }
    }
  }
}

TEST(Fp16, OverflowsWhereACastDoes) {
  EXPECT_EQ(fp16::decode(fp16::locate(65519.0f, {}).nearer, {}), 65504.0f);
  EXPECT_TRUE(std::isinf(fp16::decode(fp16::locate(65520.0f, {}).nearer, {})));
  EXPECT_FALSE(fp16::clips(65519.0f, {}));
  EXPECT_TRUE(fp16::clips(-65520.0f, {}));
}

}  // namespace
