#include <algorithm>
#include <cmath>
#include <cstddef>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include <halfstep/cuda.cuh>
#include <halfstep/halfstep.hpp>

#include "../kernel/device_cases.hpp"
#include "../kernel/emulated_device.hpp"
#include "fake_runtime.hpp"

namespace {

using namespace halfstep;

// The fake runtime's device memory is host memory, so that a tensor there can be filled by kernels that the host emulates.

template <class T>
bool same_elements(device_view<T const> there, host_view<T const> here) {
  return there.extents() == here.extents() && std::equal(here.data(), here.data() + here.extents().count(), there.data());
}

template <class Composition>
class DeviceTensor : public testing::Test {};
using compositions = testing::Types<std::tuple<int8_axis, bfloat16, identity>, std::tuple<int8_axis, float, regular_hadamard>,
                                    std::tuple<int8_block<64>, float16, identity>,
                                    std::tuple<int8_tensor, bfloat16, regular_hadamard>, std::tuple<fp16, float, identity>>;
TYPED_TEST_SUITE(DeviceTensor, compositions);

TYPED_TEST(DeviceTensor, HoldsTheCodesAndGroupsOfTheHostsQuantizer) {
  using layout = std::tuple_element_t<0, TypeParam>;
  using source = std::tuple_element_t<1, TypeParam>;
  using basis = std::tuple_element_t<2, TypeParam>;
  fake() = {};
  extents2 const e{128, 768};
  auto const w = device_cases::weights<source>(e);
  host_view<source const> const weight(w.data(), e, 5);
  auto const here = quantizer<layout, nearest, basis>()(serial{}, weight);
  auto const there = quantize_on_device<layout>(emulated_device{}, device_view<source const>(w.data(), e, 5), nearest{}, basis{});
  EXPECT_TRUE(same_elements(there.codes(), here.codes()));
  if constexpr (has_groups<layout>) {
    EXPECT_TRUE(same_elements(there.groups(), here.groups()));
  }
  EXPECT_EQ(there.source_type(), source_traits<source>::type);
}

TYPED_TEST(DeviceTensor, NamesTheFirstWeightThatIsNotFinite) {
  using layout = std::tuple_element_t<0, TypeParam>;
  using source = std::tuple_element_t<1, TypeParam>;
  using basis = std::tuple_element_t<2, TypeParam>;
  fake() = {};
  extents2 const e{64, 256};
  auto w = device_cases::weights<source>(e);
  w[3 * 256 + 7] = narrow<source>(NAN);
  w[9 * 256 + 1] = narrow<source>(INFINITY);
  try {
    static_cast<void>(
        quantize_on_device<layout>(emulated_device{}, device_view<source const>(w.data(), e, 10), nearest{}, basis{}));
    FAIL() << "quantized";
  } catch (value_error const& error) {
    EXPECT_NE(std::string(error.what()).find("row 13, column 7 "), std::string::npos) << error.what();
  }
}

TYPED_TEST(DeviceTensor, MultipliesAsOnTheHost) {
  using layout = std::tuple_element_t<0, TypeParam>;
  using source = std::tuple_element_t<1, TypeParam>;
  using basis = std::tuple_element_t<2, TypeParam>;
  fake() = {};
  extents2 const e{64, 256};
  auto const w = device_cases::weights<source>(e);
  auto const x = device_cases::weights<float>({3, 256}, 11);
  auto const here = quantizer<layout, nearest, basis>()(serial{}, host_view<source const>(w.data(), e));
  auto const there = quantize_on_device<layout>(emulated_device{}, device_view<source const>(w.data(), e), nearest{}, basis{});
  std::vector<float> expected(3 * 64), y(3 * 64);
  linear(serial{}, host_view<float const>(x.data(), {3, 256}), here, {}, host_view<float>(expected.data(), {3, 64}));
  linear(emulated_device{}, device_view<float const>(x.data(), {3, 256}), there, {}, device_view<float>(y.data(), {3, 64}));
  EXPECT_LT(device_cases::relative_difference(y, expected), 1e-5);
  EXPECT_EQ(fake().wrong_releases, 0);
}

TYPED_TEST(DeviceTensor, MultipliesRoundedInputsToTheBitsOfTheHost) {
  using layout = std::tuple_element_t<0, TypeParam>;
  using source = std::tuple_element_t<1, TypeParam>;
  if constexpr (int8_layout<layout>) {
    fake() = {};
    extents2 const e{64, 256};
    auto const w = device_cases::weights<source>(e);
    auto const x = device_cases::weights<float>({3, 256}, 11);
    auto const here = quantizer<layout>()(serial{}, host_view<source const>(w.data(), e));
    auto const there = quantize_on_device<layout>(emulated_device{}, device_view<source const>(w.data(), e));
    std::vector<float> expected(3 * 64), y(3 * 64);
    linear(serial{}, host_view<float const>(x.data(), {3, 256}), here, {}, host_view<float>(expected.data(), {3, 64}),
           int8_activations{});
    linear(emulated_device{}, device_view<float const>(x.data(), {3, 256}), there, {}, device_view<float>(y.data(), {3, 64}),
           int8_activations{});
    EXPECT_TRUE(device_cases::same_bits(y, expected));
  }
}

/// The codes that the host makes of weights in the basis of QuIP's transform.
template <class Layout>
quantized_tensor<Layout, host_space, two_sided_hadamard> incoherent(std::vector<float> const& w, extents2 e) {
  two_sided_hadamard const basis(philox(3), e);
  return quantizer<Layout, nearest, two_sided_hadamard>({}, basis)(serial{}, host_view<float const>(w.data(), e));
}

template <class Layout>
class IncoherentDeviceTensor : public testing::Test {};
using int8_layouts = testing::Types<int8_axis, int8_tensor, int8_block<64>>;
TYPED_TEST_SUITE(IncoherentDeviceTensor, int8_layouts);

TYPED_TEST(IncoherentDeviceTensor, MultipliesAsOnTheHost) {
  fake() = {};
  extents2 const e{100, 300}, in{5, 300}, out{5, 100};
  auto const here = incoherent<TypeParam>(device_cases::weights<float>(e), e);
  auto const there = copy_to_device(cuda_stream{}, here);
  auto const x = device_cases::weights<float>(in, 11), bias = device_cases::weights<float>({1, 100}, 12);
  for (extents2 const addend : {extents2{1, 100}, extents2{0, 0}}) {
    std::vector<float> expected(500), y(500);
    linear(serial{}, host_view<float const>(x.data(), in), here, host_view<float const>(bias.data(), addend),
           host_view<float>(expected.data(), out), int8_activations{});
    linear(emulated_device{}, device_view<float const>(x.data(), in), there, device_view<float const>(bias.data(), addend),
           device_view<float>(y.data(), out), int8_activations{});
    EXPECT_TRUE(device_cases::same_bits(y, expected)) << "rounded inputs";
    linear(serial{}, host_view<float const>(x.data(), in), here, host_view<float const>(bias.data(), addend),
           host_view<float>(expected.data(), out));
    linear(emulated_device{}, device_view<float const>(x.data(), in), there, device_view<float const>(bias.data(), addend),
           device_view<float>(y.data(), out));
    EXPECT_LT(device_cases::relative_difference(y, expected), 1e-5) << "inputs as given";
  }
  EXPECT_EQ(fake().wrong_releases, 0);
}

TEST(PooledDeviceTensor, IsMadeOfTheExecutorsMemoryAndNothingElseIsAllocatedWhereAPoolKeepsIt) {
  fake() = {};
  extents2 const e{64, 256};
  auto const w = device_cases::weights<float>(e);
  auto const here = quantizer<int8_axis, nearest>()(serial{}, host_view<float const>(w.data(), e));
  pooled_memory pool(1 << 24);
  auto const ex = cuda_stream{}.with(pool);
  for (int pass = 0; pass < 2; ++pass) {
    fake().allocations = 0;
    auto const copied = copy_to_device(ex, here);
    auto const quantized = quantize_on_device<int8_axis>(ex, device_view<float const>(w.data(), e));
    EXPECT_EQ(fake().allocations > 0, pass == 0) << pass;
  }
  EXPECT_GT(pool.held(), 2u * 64 * 256) << "the codes of both";
}

TYPED_TEST(IncoherentDeviceTensor, MultipliesInAWorkspaceToTheBitsOfTheHost) {
  fake() = {};
  extents2 const e{100, 300}, in{5, 300}, out{5, 100};
  auto const here = incoherent<TypeParam>(device_cases::weights<float>(e), e);
  auto const there = copy_to_device(cuda_stream{}, here);
  auto const x = device_cases::weights<float>(in, 11), bias = device_cases::weights<float>({1, 100}, 12);
  std::vector<float> expected(500), y(500);
  linear(serial{}, host_view<float const>(x.data(), in), here, host_view<float const>(bias.data(), {1, 100}),
         host_view<float>(expected.data(), out), int8_activations{});
  emulated_device const ex;
  two_sided_signs const signs(ex, there.transform());
  std::size_t const bytes = workspace_bytes(5, there, int8_activations{});
  auto memory = ex.allocate<std::byte>(static_cast<index_t>(bytes));
  linear_async(ex, device_view<float const>(x.data(), in), there, signs, device_view<float const>(bias.data(), {1, 100}),
               device_view<float>(y.data(), out), int8_activations{}, device_workspace(memory.data(), bytes));
  EXPECT_TRUE(device_cases::same_bits(y, expected));
}

TEST(LinearAsync, IsNanInRowsThatAreNotFiniteAndTheHostsBitsInTheOthers) {
  fake() = {};
  extents2 const e{64, 256}, in{4, 256}, out{4, 64};
  auto const w = device_cases::weights<float>(e);
  auto const here = quantizer<int8_axis, nearest, regular_hadamard>({}, {64})(serial{}, host_view<float const>(w.data(), e));
  auto const there = copy_to_device(cuda_stream{}, here);
  auto x = device_cases::weights<float>(in, 11);
  std::vector<float> expected(4 * 64), y(4 * 64, 1.0f);
  linear(serial{}, host_view<float const>(x.data(), in), here, {}, host_view<float>(expected.data(), out), int8_activations{});
  x[256 + 3] = INFINITY;
  x[2 * 256] = NAN;
  emulated_device const ex;
  std::size_t const bytes = workspace_bytes(4, there, int8_activations{});
  auto memory = ex.allocate<std::byte>(static_cast<index_t>(bytes));
  linear_async(ex, device_view<float const>(x.data(), in), there, {}, device_view<float>(y.data(), out), int8_activations{},
               device_workspace(memory.data(), bytes));
  for (std::size_t i = 0; i < y.size(); ++i) {
    if (i / 64 == 1 || i / 64 == 2)
      EXPECT_TRUE(std::isnan(y[i])) << i;
    else
      EXPECT_EQ(bits(y[i]), bits(expected[i])) << i;
  }
}

TEST(CopyCuda, MovesATensorToTheDeviceAndBack) {
  fake() = {};
  extents2 const e{128, 256};
  auto const w = device_cases::weights<float>(e);
  auto const here = quantizer<int8_block<128>, nearest>()(serial{}, host_view<float const>(w.data(), e));
  auto const there = copy_to_device(cuda_stream{}, here);
  auto const back = copy_to_host(cuda_stream{}, there);
  EXPECT_TRUE(same_elements(there.codes(), here.codes()));
  EXPECT_TRUE(std::equal(back.codes().data(), back.codes().data() + e.count(), here.codes().data()));
  EXPECT_EQ(back.groups()(0, 1), here.groups()(0, 1));
  EXPECT_EQ(back.source_type(), dtype::f32);
}

}  // namespace
