#include <tuple>
#include <vector>

#include <gtest/gtest.h>

#include <halfstep/core/bfloat16.hpp>
#include <halfstep/core/float16.hpp>
#include <halfstep/core/float8.hpp>
#include <halfstep/kernel/for_each_index.cuh>
#include <halfstep/layout/fp16.hpp>
#include <halfstep/layout/fp8_block.hpp>
#include <halfstep/layout/fp8_tensor.hpp>
#include <halfstep/layout/int8_axis.hpp>
#include <halfstep/layout/int8_block.hpp>
#include <halfstep/layout/int8_tensor.hpp>

#include "../kernel/device_cases.hpp"
#include "../kernel/gpu_machine.hpp"
#include "../kernel/int8_product_cases.hpp"

namespace {

using namespace halfstep;

constexpr extents2 shape{64, 128};

/// What weights are multiplied by: as they are, and so that most of them are subnormal in FP32 or in FP16.
constexpr float factors[] = {1.0f, 0x1p-12f, 0x1p-122f};

template <class Composition>
class FastMathLayouts : public GpuTest {};
using compositions = testing::Types<std::tuple<int8_axis, nearest, bfloat16>, std::tuple<int8_axis, decided, float>,
                                    std::tuple<int8_axis, decided, double>, std::tuple<int8_block<64>, stochastic, float16>,
                                    std::tuple<int8_tensor, nearest, float>, std::tuple<fp8_tensor, decided, float>,
                                    std::tuple<fp8_block<64>, stochastic, bfloat16>, std::tuple<fp16, decided, float>,
                                    std::tuple<fp16, stochastic, float>>;
TYPED_TEST_SUITE(FastMathLayouts, compositions);

TYPED_TEST(FastMathLayouts, GiveTheBitsOfTheHost) {
  using layout = std::tuple_element_t<0, TypeParam>;
  using rounding = std::tuple_element_t<1, TypeParam>;
  using source = std::tuple_element_t<2, TypeParam>;
  gpu_machine machine;
  for (float const factor : factors) {
    SCOPED_TRACE(factor);
    EXPECT_TRUE((device_cases::layout_kernels_agree<layout, rounding, source>(machine, shape, 0, {}, factor)));
  }
}

template <class Source>
class FastMathSources : public GpuTest {};
using sources = testing::Types<double, float, float16, bfloat16, float8_e4m3, float8_e5m2>;
TYPED_TEST_SUITE(FastMathSources, sources);

TYPED_TEST(FastMathSources, GiveTheBitsOfTheHost) {
  gpu_machine machine;
  for (float const factor : factors) {
    SCOPED_TRACE(factor);
    EXPECT_TRUE(device_cases::source_kernels_agree<TypeParam>(machine, shape, 0, factor));
  }
}

class FastMath : public GpuTest {};

/// Halves a number as the compiler was told to.
struct halving {
  float* x;
  HALFSTEP_HD void operator()(index_t i) const { x[i] *= 0.5f; }
};

TEST_F(FastMath, IsOnInThisFile) {
  gpu_machine machine;
  auto const x = machine.upload(std::vector<float>{0x1p-130f}, 0);
  for_each_index(machine.executor(), 1, halving{x.data()});
  EXPECT_EQ(machine.download(x)[0], 0.0f) << "subnormal numbers are kept: without -use_fast_math the other tests tell nothing";
}

TEST_F(FastMath, LeavesTransformsTheirBits) {
  gpu_machine machine;
  for (float const factor : factors) EXPECT_TRUE(device_cases::hadamard_agrees(machine, shape, 128, factor));
}

TEST_F(FastMath, LeavesProductsOfCodesTheirBits) {
  using namespace int8_product_cases;
  gpu_machine machine;
  EXPECT_TRUE((agrees<int8_block<64>, gelu_erf, float16, float16>(machine, {5, 64, 128}, {true, true, 0})));
  EXPECT_TRUE((agrees<int8_block<64>, gelu_erf, float16, float16>(machine, {5, 64, 128}, {true, true, 1})));
}

TEST_F(FastMath, LeavesActivationsTheirBits) {
  gpu_machine machine;
  EXPECT_TRUE(device_cases::gelu_agrees(machine, {16, 101}));
}

}  // namespace
