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
#include "gpu_machine.hpp"

namespace {

using namespace halfstep;

template <class Composition>
class LayoutKernels : public GpuTest {};

using compositions = testing::Types<std::tuple<int8_axis, nearest, bfloat16>, std::tuple<int8_axis, stochastic, bfloat16>,
                                    std::tuple<int8_axis, decided, float>, std::tuple<int8_block<128>, nearest, bfloat16>,
                                    std::tuple<int8_block<64>, stochastic, float16>, std::tuple<int8_tensor, nearest, bfloat16>,
                                    std::tuple<fp8_tensor, nearest, bfloat16>, std::tuple<fp8_block<64>, stochastic, float>,
                                    std::tuple<fp16, nearest, float>>;
TYPED_TEST_SUITE(LayoutKernels, compositions);

TYPED_TEST(LayoutKernels, GiveTheBitsOfTheHost) {
  using layout = std::tuple_element_t<0, TypeParam>;
  using rounding = std::tuple_element_t<1, TypeParam>;
  using source = std::tuple_element_t<2, TypeParam>;
  gpu_machine machine;
  for (extents2 const e : {extents2{1, 1},
                           {3, 37},
                           {17, 1024},
                           {5, 129},
                           {128, 256},
                           {256, 384},
                           {1, 40000},
                           {3072, 3072},
                           {515, 12288},
                           {100000, 16},
                           {16, 300000},
                           {64, 0}}) {
    if (!layout::fits(e)) continue;
    for (index_t const shift : {0, 1}) device_cases::check_layout_kernels<layout, rounding, source>(machine, e, 0, shift);
    device_cases::check_layout_kernels<layout, rounding, source>(machine, e, 777, 0);
  }
}

template <class Source>
class SourceKernels : public GpuTest {};
using sources = testing::Types<float, float16, bfloat16, float8_e4m3>;
TYPED_TEST_SUITE(SourceKernels, sources);

TYPED_TEST(SourceKernels, GiveTheBitsOfTheHost) {
  gpu_machine machine;
  for (extents2 const e : {extents2{1, 1}, {3, 37}, {7, 64}, {9, 256}, {3, 1024}, {2000, 1000}, {3072, 3072}, {0, 16}})
    for (index_t const shift : {0, 1}) device_cases::check_source_kernels<TypeParam>(machine, e, shift);
}

class PlainKernels : public GpuTest {};

TEST_F(PlainKernels, TransformGroupsOfAnySizeInPlace) {
  gpu_machine machine;
  for (int group = 1; group <= 1 << 20; group *= 2) device_cases::check_hadamard(machine, {3, group}, group);
  device_cases::check_hadamard(machine, {1000, 3 * 256}, 256);
}

TEST_F(PlainKernels, MultiplyAsTheHostDoes) {
  gpu_machine machine;
  for (index_t const k : {1, 16, 100, 3072}) {
    device_cases::check_products(machine, 1, 1, k);
    device_cases::check_products(machine, 70, 130, k);
  }
  device_cases::check_products(machine, 256, 3072, 768);
}

TEST_F(PlainKernels, MultiplyCodesToTheBitsOfTheHost) {
  gpu_machine machine;
  for (index_t const shift : {0, 1}) {
    device_cases::check_int8_product<int8_axis>(machine, 70, 130, 1000, shift);
    device_cases::check_int8_product<int8_tensor>(machine, 3, 65, 70001, shift);
    device_cases::check_int8_product<int8_block<16>>(machine, 33, 64, 96, shift);
    device_cases::check_int8_product<int8_block<128>>(machine, 256, 3072, 768, shift);
  }
}

TEST_F(PlainKernels, ActivateAsTheHostDoes) {
  gpu_machine machine;
  device_cases::check_gelu(machine, {37, 101});
  device_cases::check_gelu(machine, {1000, 1000});
}

TEST_F(PlainKernels, ReportMemoryThatIsNotThere) {
  try {
    device_buffer<float> const large(index_t{1} << 50);
    FAIL() << "allocated 4 PiB";
  } catch (cuda_error const& e) {
    EXPECT_EQ(e.code(), cudaErrorMemoryAllocation);
  }
  gpu_machine machine;  // and the failure is forgotten: what comes next works
  device_cases::check_gelu(machine, {3, 5});
}

}  // namespace
