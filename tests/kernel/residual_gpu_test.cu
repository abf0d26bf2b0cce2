#include <gtest/gtest.h>

#include <halfstep/core/bfloat16.hpp>
#include <halfstep/core/float16.hpp>
#include <halfstep/core/float8.hpp>
#include <halfstep/layout/fp16.hpp>
#include <halfstep/layout/fp8_block.hpp>
#include <halfstep/layout/int8_axis.hpp>
#include <halfstep/layout/int8_block.hpp>
#include <halfstep/layout/int8_tensor.hpp>

#include "gpu_machine.hpp"
#include "residual_cases.hpp"

namespace {

using namespace halfstep;
using residual_cases::agrees;

class ResidualKernels : public GpuTest {};

/// Rows of no vector, of one, of fewer than a block has threads, of rounds that are whole and that are not.
TEST_F(ResidualKernels, FindWhatTheDefinitionSays) {
  gpu_machine machine;
  for (extents2 const e :
       {extents2{1, 1}, {3, 7}, {1, 8}, {17, 24}, {37, 1000}, {16, 256}, {5, 4104}, {33, 1001}, {48, 520}, {0, 8}, {8, 0}})
    EXPECT_TRUE((agrees<int8_axis, bfloat16>(machine, e)));
  if (is_within_reach(3072 * 3072)) EXPECT_TRUE((agrees<int8_axis, bfloat16>(machine, {3072, 3072})));
  EXPECT_TRUE((agrees<int8_axis, float>(machine, {19, 1028})));
  EXPECT_TRUE((agrees<int8_axis, double>(machine, {19, 258})));
  EXPECT_TRUE((agrees<int8_axis, float8_e4m3>(machine, {19, 1040})));
  EXPECT_TRUE((agrees<int8_tensor, float16>(machine, {35, 520})));
  EXPECT_TRUE((agrees<int8_block<128>, bfloat16>(machine, {256, 384})));
  EXPECT_TRUE((agrees<int8_block<16>, float>(machine, {32, 48})));
  EXPECT_TRUE((agrees<fp8_block<64>, bfloat16>(machine, {128, 192})));
  EXPECT_TRUE((agrees<fp16, float>(machine, {18, 1004})));
  EXPECT_TRUE((agrees<fp16, float8_e5m2>(machine, {18, 1000})));
}

TEST_F(ResidualKernels, CountWhatClips) {
  gpu_machine machine;
  EXPECT_TRUE((agrees<int8_axis, bfloat16>(machine, {19, 1024}, 1.0f, residual_cases::halve_some_scales{})));
  EXPECT_TRUE((agrees<int8_axis, float>(machine, {19, 1021}, 1.0f, residual_cases::halve_some_scales{})));
}

/// Squares that FP32 has not, and scales that are not finite: what FP64 finds.
TEST_F(ResidualKernels, TakeWeightsOfAnyMagnitude) {
  gpu_machine machine;
  for (float const factor : {0.0f, 0x1p-90f, 0x1p-45f, 0x1p+45f, 0x1p+90f})
    EXPECT_TRUE((agrees<int8_axis, float>(machine, {35, 256}, factor)));
  EXPECT_TRUE((agrees<int8_axis, bfloat16>(machine, {35, 256}, 1.0f, residual_cases::lose_a_scale{})));
}

}  // namespace
