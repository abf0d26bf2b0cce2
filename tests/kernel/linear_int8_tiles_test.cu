// INT8 products by dot products of four codes, a block's threads one after the other on the host.
#include <gtest/gtest.h>

#include "emulated_machine.hpp"
#include "int8_product_cases.hpp"

namespace {

using namespace int8_product_cases;

TEST(LinearInt8Tiles, GiveTheBitsOfTheHost) {
  emulated_machine machine;
  for (shape const s : shapes())
    EXPECT_TRUE((agrees<int8_axis, no_activation, float, float>(machine, s, {true, false, s.columns % 2})));
  for (shape const s : {shape{5, 33, 96}, {70, 66, 100}})
    for (bool const is_given : {false, true}) {
      EXPECT_TRUE((agrees<int8_tensor, gelu_erf, bfloat16, bfloat16>(machine, s, {is_given, is_given, 0})));
      EXPECT_TRUE((agrees<int8_axis, gelu_tanh, float, float16>(machine, s, {is_given, is_given, 1})));
      EXPECT_TRUE((agrees<int8_axis, no_activation, float, std::int8_t>(machine, s, {is_given, is_given, 0})));
    }
}

TEST(LinearInt8Tiles, GiveTheBitsOfTheHostWhereSumsEndInside) {
  emulated_machine machine;
  for (shape const s : {shape{2, 128, 256}, {70, 256, 384}, {3, 128, 256, 8}})
    EXPECT_TRUE((agrees<int8_block<128>, no_activation, float, float>(machine, s, {true, false, 0})));
  for (shape const s : {shape{3, 48, 80}, {66, 16, 16}, {4, 32, 96, 6}})
    EXPECT_TRUE((agrees<int8_block<16>, no_activation, float, float>(machine, s, {true, false, 0})));
  for (shape const s : {shape{1, 3, 65552}, {2, 2, 131073}, {2, 3, 131072, 2}})
    EXPECT_TRUE((agrees<int8_axis, no_activation, float, float>(machine, s, {false, false, 0})));
}

}  // namespace
