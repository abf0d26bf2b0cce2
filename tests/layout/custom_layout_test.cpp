// The layout of examples/custom_layout, which the library has never heard of, gets all it has.

#include <cmath>

#include <gtest/gtest.h>

#include <halfstep/exec/threads.hpp>
#include <halfstep/kernel/residual_statistics.hpp>
#include <halfstep/layout/transposed.hpp>
#include <halfstep/rounding/stochastic.hpp>
#include <halfstep/tensor/dequantize.hpp>
#include <halfstep/tensor/linear.hpp>
#include <halfstep/tensor/quantizer.hpp>
#include <halfstep/tensor/transpose.hpp>
#include <halfstep/transform/hadamard.hpp>

#include "../../examples/custom_layout/int8_group32.hpp"
#include "../support/weights.hpp"

namespace {

using halfstep::extents2;
using halfstep::host_buffer;
using halfstep::index_t;
using halfstep_test::noise;

static_assert(halfstep::check_layout<int8_group32>());

constexpr extents2 shape{300, 416};

TEST(CustomLayout, IsQuantizedWithItsOwnGroups) {
  auto const weights = noise(shape);
  auto const q = halfstep::quantizer<int8_group32>()(halfstep::threads(2), weights.view(shape));
  ASSERT_EQ(q.groups().extents(), (extents2{300, 13}));
  for (index_t row = 0; row < shape.rows; ++row)
    for (index_t group = 0; group < 13; ++group) {
      float amax = 0;
      for (index_t k = 0; k < 32; ++k) amax = std::fmax(amax, std::fabs(weights[row * 416 + group * 32 + k]));
      ASSERT_EQ(q.groups()(row, group), amax / 127.0f);
    }
  auto const plain = halfstep::dequantize(halfstep::serial{}, q);
  for (index_t i = 0; i < plain.size(); ++i) ASSERT_NEAR(plain[i], weights[i], 0.1 / 254 * 1.00001);
}

TEST(CustomLayout, GetsLinearTransposeAndEveryRounding) {
  auto const weights = noise(shape);
  halfstep::quantizer<int8_group32, halfstep::stochastic, halfstep::regular_hadamard> const quantize({}, {16});
  auto const q = quantize(halfstep::threads(2), weights.view(shape));
  auto const plain = halfstep::dequantize(halfstep::serial{}, q);
  auto const x = noise({2, 416}, 2);
  host_buffer<float> y(600);
  halfstep::linear(halfstep::threads(2), x.view({2, 416}), q, {}, y.view({2, 300}));
  for (index_t i = 0; i < 600; ++i) {
    double sum = 0;
    for (index_t k = 0; k < 416; ++k)
      sum += static_cast<double>(x[i / 300 * 416 + k]) * static_cast<double>(plain[i % 300 * 416 + k]);
    ASSERT_NEAR(y[i], sum, 1e-6);
  }
  auto const own = halfstep::quantizer<int8_group32>()(halfstep::serial{}, weights.view(shape));
  auto const turned = halfstep::dequantize(halfstep::serial{}, halfstep::transpose(halfstep::serial{}, own));
  auto const straight = halfstep::dequantize(halfstep::serial{}, own);
  for (index_t row = 0; row < shape.rows; ++row)
    for (index_t column = 0; column < shape.columns; ++column)
      ASSERT_EQ(turned[column * 300 + row], straight[row * 416 + column]);
}

}  // namespace
