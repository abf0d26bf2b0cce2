#include <algorithm>
#include <vector>

#include <gtest/gtest.h>

#include <halfstep/cuda.cuh>
#include <halfstep/tensor/incoherent.hpp>

#include "../kernel/device_cases.hpp"
#include "../kernel/gpu_machine.hpp"

namespace {

using namespace halfstep;

template <class Layout>
class IncoherentOnDevice : public GpuTest {};
using layouts = testing::Types<int8_axis, int8_tensor, int8_block<64>>;
TYPED_TEST_SUITE(IncoherentOnDevice, layouts);

TYPED_TEST(IncoherentOnDevice, MultipliesRoundedInputsToTheBitsOfTheHost) {
  extents2 const e = is_within_reach(70 * 1000 * 3000) ? extents2{1000, 3000} : extents2{200, 300};
  extents2 const in{70, e.columns}, out{70, e.rows};
  two_sided_hadamard const basis(philox(3), e);
  auto const w = device_cases::weights<float>(e);
  auto const here =
      quantizer<TypeParam, nearest, two_sided_hadamard>({}, basis)(serial{}, host_view<float const>(w.data(), e));

  gpu_machine machine;
  auto const there = copy_to_device(machine.executor(), here);
  auto const x = device_cases::weights<float>(in, 11), bias = device_cases::weights<float>({1, e.rows}, 12);
  auto const device_x = machine.upload(x, 0), device_bias = machine.upload(bias, 0);
  auto const y = machine.upload(device_cases::filled<float>(out.count()), 0);
  device_view<float const> const inputs(device_x.data(), in), addend(device_bias.data(), {1, e.rows});
  std::vector<float> expected(static_cast<std::size_t>(out.count()));

  linear(serial{}, host_view<float const>(x.data(), in), here, host_view<float const>(bias.data(), {1, e.rows}),
         host_view<float>(expected.data(), out), int8_activations{});
  linear(machine.executor(), inputs, there, addend, device_view<float>(y.data(), out), int8_activations{});
  EXPECT_TRUE(device_cases::same_bits(machine.download(y), expected));

  linear(serial{}, host_view<float const>(x.data(), in), here, host_view<float const>(bias.data(), {1, e.rows}),
         host_view<float>(expected.data(), out));
  linear(machine.executor(), inputs, there, addend, device_view<float>(y.data(), out));
  EXPECT_LT(device_cases::relative_difference(machine.download(y), expected), 1e-5);
}

}  // namespace
