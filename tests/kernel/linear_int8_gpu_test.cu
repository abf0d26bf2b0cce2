// INT8 products on a device: the bits of the host's for every scaling, ending and output, aligned or not.
#include <gtest/gtest.h>

#include "gpu_machine.hpp"
#include "int8_product_cases.hpp"

namespace {

using namespace int8_product_cases;

class LinearInt8Gpu : public GpuTest {};

/// Tensor cores take 16 products at least at once, so cases may have more than those of other kernels.
bool can_run(shape s) { return is_within_reach(s.inputs * s.rows * s.columns / 16); }

TEST_F(LinearInt8Gpu, GivesTheBitsOfTheHostForRowScales) {
  gpu_machine machine;
  for (shape const s : shapes())
    if (can_run(s)) EXPECT_TRUE((agrees<int8_axis, no_activation, float, float>(machine, s, {true, false, 0})));
  for (shape const s : {shape{3, 40, 64}, {20, 9, 80}}) {
    EXPECT_TRUE((agrees<int8_axis, no_activation, float, float>(machine, s, {false, true, 0})));
    EXPECT_TRUE((agrees<int8_axis, no_activation, float, float>(machine, s, {true, true, 1})));
  }
}

TEST_F(LinearInt8Gpu, GivesTheBitsOfTheHostForEveryOutput) {
  gpu_machine machine;
  for (shape const s : {shape{5, 33, 96}, {40, 70, 64}, {140, 34, 48}})
    for (bool const is_given : {false, true}) {
      EXPECT_TRUE((agrees<int8_axis, gelu_erf, bfloat16, bfloat16>(machine, s, {is_given, is_given, 0})));
      EXPECT_TRUE((agrees<int8_axis, gelu_tanh, float, float16>(machine, s, {is_given, is_given, 0})));
      EXPECT_TRUE((agrees<int8_axis, no_activation, float, std::int8_t>(machine, s, {is_given, is_given, 0})));
    }
}

TEST_F(LinearInt8Gpu, GivesTheBitsOfTheHostForBlocksAndTensors) {
  gpu_machine machine;
  for (shape const s : {shape{2, 128, 256}, {18, 256, 384}, {70, 128, 640}, {130, 128, 128}}) {
    EXPECT_TRUE((agrees<int8_block<128>, gelu_tanh, bfloat16, bfloat16>(machine, s, {true, true, 0})));
    EXPECT_TRUE((agrees<int8_block<16>, no_activation, float, float>(machine, s, {true, false, 0})));
    EXPECT_TRUE((agrees<int8_tensor, no_activation, float, float>(machine, s, {false, true, 0})));
  }
  for (shape const s : {shape{1, 64, 64}, {33, 32, 96}, {90, 64, 160}})
    EXPECT_TRUE((agrees<int8_block<32>, no_activation, float, float>(machine, s, {true, false, 0})));
}

TEST_F(LinearInt8Gpu, GivesTheBitsOfTheHostForGroupsOfInputs) {
  gpu_machine machine;
  for (shape const s : {shape{4, 33, 256, 2}, {20, 32, 192, 6}, {70, 64, 1024, 2}, {3, 10, 96, 6}})
    EXPECT_TRUE((agrees<int8_axis, no_activation, float, float>(machine, s, {true, false, 0})));
  for (shape const s : {shape{4, 128, 256, 8}, {20, 128, 512, 2}, {70, 256, 384, 3}})
    EXPECT_TRUE((agrees<int8_block<128>, gelu_tanh, bfloat16, bfloat16>(machine, s, {true, false, 0})));
}

TEST_F(LinearInt8Gpu, GivesTheBitsOfTheHostInRowsLongerThanAnIntegerHolds) {
  gpu_machine machine;
  for (shape const s : {shape{1, 3, 65552}, {17, 2, 65568}, {2, 3, 65537}})
    EXPECT_TRUE((agrees<int8_axis, no_activation, float, float>(machine, s, {false, false, 0})));
}

}  // namespace
