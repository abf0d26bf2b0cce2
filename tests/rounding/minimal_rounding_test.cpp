// The least that a rounding has to be, through everything that takes one.
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

#include <gtest/gtest.h>

#include <halfstep/halfstep.hpp>
#include <halfstep/recipe/format_table.hpp>

#include "../support/minimal_layout.hpp"
#include "../support/weights.hpp"

namespace {

using halfstep::extents2;
using halfstep::host_buffer;
using halfstep::index_t;
using halfstep::serial;
using halfstep::threads;
using halfstep_test::noise;

/// Takes the code that is farther off, wherever the nearer one is not the value itself.
struct farther {
  static constexpr std::string_view name = "farther";
  static constexpr float max_error_steps = 1.0f;

  template <class Code>
  constexpr Code operator()(halfstep::bracket<Code> b, index_t) const {
    return b.t > 0.0f ? b.farther : b.nearer;
  }
};
static_assert(halfstep::check_rounding<farther>() && halfstep::rounding<farther, halfstep::float16>);

constexpr extents2 shape{64, 64};

/// Expects every number of `found` on the other side of `w` than the nearest code is, or to be it.
void expect_farther(host_buffer<float> const& found, host_buffer<float> const& nearest, host_buffer<float> const& w) {
  index_t apart = 0;
  for (index_t i = 0; i < shape.count(); ++i) {
    double const here = static_cast<double>(found[i]) - static_cast<double>(w[i]);
    double const there = static_cast<double>(nearest[i]) - static_cast<double>(w[i]);
    ASSERT_LE(here * there, 1e-12) << i;
    ASSERT_GE(std::fabs(here), std::fabs(there) * 0.999 - 1e-7) << i;
    apart += found[i] != nearest[i] ? 1 : 0;
  }
  EXPECT_GT(apart, shape.count() / 2);
}

template <class Layout>
class MinimalRounding : public testing::Test {};
using layouts = testing::Types<halfstep::int8_axis, halfstep::int8_tensor, halfstep::int8_block<16>, halfstep::fp8_axis,
                               halfstep::fp8_block<32>, halfstep::fp16, halfstep_test::minimal_layout>;
TYPED_TEST_SUITE(MinimalRounding, layouts);

TYPED_TEST(MinimalRounding, GoesThroughEveryStepOfAQuantizer) {
  auto const w = noise(shape);
  halfstep::quantizer<TypeParam, farther> const quantize;
  auto const by_nearest = halfstep::quantizer<TypeParam>()(serial{}, w.view(shape));
  auto const nearest = halfstep::dequantize(serial{}, by_nearest);
  auto const q = quantize(threads(2), w.view(shape));
  expect_farther(halfstep::dequantize(serial{}, q), nearest, w);
  auto const same = [&](auto const& other) {
    for (index_t i = 0; i < shape.count(); ++i) ASSERT_TRUE(other.codes().data()[i] == q.codes().data()[i]) << i;
  };
  same(quantize.with_groups(serial{}, w.view(shape), by_nearest.groups()));
  halfstep::quantized_tensor<TypeParam> steps(shape);
  quantize.fit(serial{}, w.view(shape), steps.groups());
  quantize.encode(threads(2), w.view(shape), steps.groups(), steps.codes());
  same(steps);
  halfstep::quantized_tensor<TypeParam> kernel(shape);
  halfstep::quantize<TypeParam>(threads(2), w.view(shape), q.groups(), kernel.codes(), farther{});
  same(kernel);
}

TYPED_TEST(MinimalRounding, GoesThroughEveryBasis) {
  auto const w = noise(shape);
  auto const expect_codes_of = [](auto const& found, host_buffer<float> const& in_basis) {
    auto const expected = halfstep::quantizer<TypeParam, farther>()(serial{}, in_basis.view(shape));
    for (index_t i = 0; i < shape.count(); ++i) ASSERT_TRUE(found.codes().data()[i] == expected.codes().data()[i]) << i;
  };
  auto rotated = noise(shape), mixed = noise(shape);
  halfstep::regular_hadamard const rows{16};
  rows.apply(serial{}, rotated.view(shape));
  expect_codes_of(halfstep::quantizer<TypeParam, farther, halfstep::regular_hadamard>({}, rows)(serial{}, w.view(shape)),
                  rotated);
  halfstep::two_sided_hadamard const both(halfstep::philox(1), shape);
  both.apply(serial{}, mixed.view(shape));
  expect_codes_of(halfstep::quantizer<TypeParam, farther, halfstep::two_sided_hadamard>({}, both)(serial{}, w.view(shape)),
                  mixed);
}

TYPED_TEST(MinimalRounding, GoesThroughOperationsThatQuantizeAfresh) {
  auto const w = noise(shape);
  auto q = halfstep::quantizer<TypeParam>()(serial{}, w.view(shape));
  auto const plain = halfstep::dequantize(serial{}, q);
  auto const bent = halfstep::gelu(serial{}, q, halfstep::gelu_tanh{}, farther{});
  host_buffer<float> exact(shape.count());
  halfstep::gelu(serial{}, plain.view(shape), exact.view(shape), halfstep::gelu_tanh{});
  auto const nearest = halfstep::dequantize(serial{}, halfstep::quantizer<TypeParam>()(serial{}, exact.view(shape)));
  expect_farther(halfstep::dequantize(serial{}, bent), nearest, exact);
  halfstep::add_in_place(serial{}, q, w.view(shape), farther{});
  for (index_t i = 0; i < shape.count(); ++i) exact[i] = plain[i] + w[i];
  auto const doubled = halfstep::dequantize(serial{}, halfstep::quantizer<TypeParam>()(serial{}, exact.view(shape)));
  expect_farther(halfstep::dequantize(serial{}, q), doubled, exact);
}

TYPED_TEST(MinimalRounding, IsARowOfATable) {
  auto const w = noise(shape);
  auto const rows = halfstep::make_format<TypeParam, farther>();
  EXPECT_EQ(rows[0].rounding, "farther");
  auto const expected = halfstep::quantizer<TypeParam, farther>()(serial{}, w.view(shape));
  halfstep::quantized_tensor<TypeParam> found(shape);
  rows[0].from_f32.encode({w.data(), shape}, expected.groups().data(), 1, found.codes().data());
  for (index_t i = 0; i < shape.count(); ++i) ASSERT_TRUE(found.codes().data()[i] == expected.codes().data()[i]) << i;
}

}  // namespace
