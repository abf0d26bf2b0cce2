#include <algorithm>
#include <cstdint>
#include <vector>

#include <gtest/gtest.h>

#include <halfstep/core/bfloat16.hpp>
#include <halfstep/exec/serial.hpp>
#include <halfstep/kernel/dequantize.cuh>
#include <halfstep/kernel/quantize.cuh>
#include <halfstep/layout/int8_axis.hpp>
#include <halfstep/layout/int8_block.hpp>
#include <halfstep/rounding/nearest.hpp>

#include "gpu_machine.hpp"

namespace {

using namespace halfstep;

template <class Layout>
class Scales : public GpuTest {};
using layouts = testing::Types<int8_axis, int8_block<128>>;
TYPED_TEST_SUITE(Scales, layouts);

/// No two groups have the same scale: one that is taken from another group shows.
TYPED_TEST(Scales, AreThoseOfTheElementsGroup) {
  extents2 const e{256, 384}, g = TypeParam::groups(e);
  std::vector<bfloat16> weights;
  for (index_t i = 0; i < e.count(); ++i) weights.push_back(to_bfloat16(static_cast<float>(i * 7919 % 2001 - 1000) / 1000.0f));
  std::vector<float> groups;
  for (index_t i = 0; i < g.count(); ++i) groups.push_back(0.01f + 0.0003f * static_cast<float>(i));
  std::vector<std::int8_t> codes(weights.size());
  std::vector<bfloat16> numbers(weights.size());
  host_view<float const> const scales(groups.data(), g);
  quantize<TypeParam>(serial{}, host_view<bfloat16 const>(weights.data(), e), scales, host_view<std::int8_t>(codes.data(), e),
                      nearest{});
  dequantize<TypeParam>(serial{}, host_view<std::int8_t const>(codes.data(), e), scales, host_view<bfloat16>(numbers.data(), e));

  gpu_machine const machine;
  auto const w = machine.upload(weights, 0), y = machine.upload(weights, 0);
  auto const s = machine.upload(groups, 0);
  auto const q = machine.upload(std::vector<std::int8_t>(codes.size()), 0);
  device_view<float const> const device_scales(s.data(), g);
  quantize<TypeParam>(machine.executor(), device_view<bfloat16 const>(w.data(), e), device_scales,
                      device_view<std::int8_t>(q.data(), e), nearest{});
  EXPECT_EQ(machine.download(q), codes);
  dequantize<TypeParam>(machine.executor(), device_view<std::int8_t const>(q.data(), e), device_scales,
                        device_view<bfloat16>(y.data(), e));
  auto const found = machine.download(y);
  EXPECT_TRUE(
      std::equal(found.begin(), found.end(), numbers.begin(), [](bfloat16 a, bfloat16 b) { return widen(a) == widen(b); }));
}

}  // namespace
