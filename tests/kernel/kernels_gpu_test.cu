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
    if (!layout::fits(e) || !is_within_reach(e.count())) continue;
    for (auto const shift : device_cases::misalignments)
      EXPECT_TRUE((device_cases::layout_kernels_agree<layout, rounding, source>(machine, e, 0, shift)));
    EXPECT_TRUE((device_cases::layout_kernels_agree<layout, rounding, source>(machine, e, 777, {})));
  }
}

template <class Source>
class SourceKernels : public GpuTest {};
using sources = testing::Types<float, float16, bfloat16, float8_e4m3>;
TYPED_TEST_SUITE(SourceKernels, sources);

TYPED_TEST(SourceKernels, GiveTheBitsOfTheHost) {
  gpu_machine machine;
  for (extents2 const e : {extents2{1, 1}, {3, 37}, {7, 64}, {9, 256}, {3, 1024}, {2000, 1000}, {3072, 3072}, {0, 16}}) {
    if (!is_within_reach(e.count())) continue;
    for (index_t const shift : {0, 1}) EXPECT_TRUE(device_cases::source_kernels_agree<TypeParam>(machine, e, shift));
  }
}

class RowKernels : public GpuTest {};

/// Row lengths at, below and above what each kernel of fit_quantize holds, and between; all of whole vectors of 16-bit weights.
constexpr index_t row_lengths[] = {384, 392, 3072, 4096, 4104, 5120, 8192, 8200, 12288, 12296, 16384, 16392, 18944, 32768, 32776};

TEST_F(RowKernels, GiveTheBitsOfTheHostAtEveryLength) {
  gpu_machine machine;
  for (index_t const columns : row_lengths) {
    if (!is_within_reach(3 * columns)) continue;
    EXPECT_TRUE((device_cases::layout_kernels_agree<int8_axis, nearest, bfloat16>(machine, {3, columns}, 0, {0, 0})));
    EXPECT_TRUE((device_cases::layout_kernels_agree<int8_axis, nearest, bfloat16>(machine, {3, columns - 1}, 0, {0, 0})));
    EXPECT_TRUE((device_cases::layout_kernels_agree<int8_axis, stochastic, bfloat16>(machine, {2, columns}, 0, {0, 0})));
  }
}

TEST_F(RowKernels, GiveTheBitsOfTheHostWhereAFewLanesHoldARow) {
  gpu_machine machine;
  for (index_t const columns : {32, 64, 128, 256})
    for (index_t const rows : {1, 37, 515})
      for (auto const shift : device_cases::misalignments)
        EXPECT_TRUE((device_cases::layout_kernels_agree<int8_axis, nearest, bfloat16>(machine, {rows, columns}, 0, shift)));
}

TEST_F(RowKernels, GiveTheBitsOfTheHostWhereOnlyWeightsOrOnlyCodesAreAligned) {
  gpu_machine machine;
  for (device_cases::misalignment const shift : {device_cases::misalignment{1, 0}, {0, 1}, {8, 0}, {4, 0}, {0, 8}, {0, 4}}) {
    EXPECT_TRUE((device_cases::layout_kernels_agree<int8_axis, nearest, bfloat16>(machine, {5, 1024}, 0, shift)));
    EXPECT_TRUE((device_cases::layout_kernels_agree<int8_block<128>, nearest, bfloat16>(machine, {128, 384}, 0, shift)));
    EXPECT_TRUE((device_cases::layout_kernels_agree<int8_tensor, nearest, bfloat16>(machine, {128, 384}, 0, shift)));
  }
}

TEST_F(RowKernels, RotateAndRoundAtOnce) {
  gpu_machine machine;
  for (index_t const columns : {256, 512, 1280, 2304, 3072, 4096, 4352, 8192, 8448, 12288, 16384, 16640, 18944, 24576})
    if (is_within_reach(3 * columns))
      EXPECT_TRUE((device_cases::rotate_quantize_agrees<int8_axis, bfloat16>(machine, {3, columns}, 256, {0, 0}, true)));
  for (device_cases::misalignment const shift : {device_cases::misalignment{4, 4}, {1, 0}, {0, 1}})
    EXPECT_TRUE((
        device_cases::rotate_quantize_agrees<int8_axis, bfloat16>(machine, {3, 1024}, 256, shift, shift.weights == shift.codes)));
  EXPECT_TRUE((device_cases::rotate_quantize_agrees<int8_axis, bfloat16>(machine, {2, 24832}, 256, {0, 0}, false)));
  for (int const group : {64, 1024})
    EXPECT_TRUE((device_cases::rotate_quantize_agrees<int8_axis, bfloat16>(machine, {2, 2048}, group, {0, 0}, false)));
}

class PlainKernels : public GpuTest {};

TEST_F(PlainKernels, TransformGroupsOfAnySizeInPlace) {
  gpu_machine machine;
  for (int group = 1; group <= 1 << 20 && is_within_reach(3 * group); group *= 2)
    EXPECT_TRUE(device_cases::hadamard_agrees(machine, {3, group}, group));
  for (int const group : {128, 4096, 16384}) EXPECT_TRUE(device_cases::hadamard_agrees(machine, {3, group}, group, 1.0f, 1));
  if (is_within_reach(1000 * 3 * 256)) EXPECT_TRUE(device_cases::hadamard_agrees(machine, {1000, 3 * 256}, 256));
}

TEST_F(PlainKernels, MultiplyAsTheHostDoes) {
  gpu_machine machine;
  for (index_t const k : {1, 16, 100, 3072}) {
    EXPECT_TRUE(device_cases::products_agree(machine, 1, 1, k));
    if (is_within_reach(70 * 130 * k)) EXPECT_TRUE(device_cases::products_agree(machine, 70, 130, k));
  }
  if (is_within_reach(256 * 3072 * 768)) EXPECT_TRUE(device_cases::products_agree(machine, 256, 3072, 768));
}

TEST_F(PlainKernels, ActivateAsTheHostDoes) {
  gpu_machine machine;
  EXPECT_TRUE(device_cases::gelu_agrees(machine, {37, 101}));
  if (is_within_reach(1000 * 1000)) EXPECT_TRUE(device_cases::gelu_agrees(machine, {1000, 1000}));
}

TEST_F(PlainKernels, OfTwoStreamsDoNotMeet) {
  gpu_machine const machines[2];
  extents2 const e{16, 1024};
  std::vector<float> const weights[2] = {device_cases::weights<float>(e, 1), device_cases::weights<float>(e, 2)};
  std::vector<gpu_memory<float>> inputs, outputs;
  for (int i = 0; i < 2; ++i) {
    inputs.push_back(machines[i].upload(weights[i], 0));
    outputs.push_back(machines[i].upload(device_cases::filled<float>(e.count()), 0));
  }
  for (int pass = 0; pass < 4; ++pass)
    for (int i = 0; i < 2; ++i) {
      device_view<float> const to(outputs[static_cast<std::size_t>(i)].data(), e);
      auto const ex = machines[i].executor();
      hadamard_regular_async(ex, device_view<float const>(inputs[static_cast<std::size_t>(i)].data(), e), to, 1024);
      auto const scratch = ex.allocate<float>(e.count());  // what one stream gives back must not reach the other too early
      device_view<float> const between(scratch.data(), e);
      widen_async(ex, device_view<float const>(to), between);
      hadamard_regular_async(ex, device_view<float const>(between), to, 1024);
    }
  for (int i = 0; i < 2; ++i) {
    std::vector<float> expected(static_cast<std::size_t>(e.count()));
    host_view<float> const out(expected.data(), e);
    hadamard_regular(serial{}, device_cases::view_of(weights[i], e), out, 1024);
    hadamard_regular(serial{}, host_view<float const>(out), out, 1024);
    EXPECT_TRUE(device_cases::same_bits(machines[i].download(outputs[static_cast<std::size_t>(i)]), expected)) << i;
  }
}

TEST_F(PlainKernels, ReportMemoryThatIsNotThere) {
  try {
    device_buffer<float> large(index_t{1} << 50);
    FAIL() << "allocated 4 PiB";
  } catch (cuda_error const& e) {
    EXPECT_EQ(e.code(), cudaErrorMemoryAllocation);
  }
  gpu_machine machine;  // and the failure is forgotten: what comes next works
  EXPECT_TRUE(device_cases::gelu_agrees(machine, {3, 5}));
}

}  // namespace
