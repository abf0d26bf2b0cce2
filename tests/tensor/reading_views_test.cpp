// Algorithms that only read take views of mutable elements as they are, and give what they give for constant ones.
#include <algorithm>
#include <cstdint>
#include <span>
#include <vector>

#include <gtest/gtest.h>

#include <halfstep/halfstep.hpp>

#include "../support/weights.hpp"

namespace {

using halfstep::as_view;
using halfstep::extents2;
using halfstep::host_buffer;
using halfstep::host_view;
using halfstep::index_t;
using halfstep::int8_axis;
using halfstep::nearest;
using halfstep::serial;
using halfstep::value_range;
using halfstep_test::noise;

template <class T>
std::vector<T> elements(host_view<T const> x) {
  return {x.data(), x.data() + x.extents().count()};
}

/// A matrix quantized, in buffers that may be written.
struct scene {
  extents2 e{67, 96};
  extents2 g = int8_axis::groups(e);
  host_buffer<float> weights = noise(e, 5);
  host_buffer<value_range> found{g.count()};
  host_buffer<float> scales{g.count()};
  host_buffer<std::int8_t> stored{e.count()};
  host_buffer<float> back{e.count()};

  host_view<float> weight() { return weights.view(e); }
  host_view<value_range> ranges() { return found.view(g); }
  host_view<float> groups() { return scales.view(g); }
  host_view<std::int8_t> codes() { return stored.view(e); }
  host_view<float> decoded() { return back.view(e); }

  scene() {
    halfstep::group_range<int8_axis>(serial{}, weight(), ranges());
    halfstep::fit_groups<int8_axis>(ranges(), groups());
    halfstep::quantize<int8_axis>(serial{}, weight(), groups(), codes(), nearest{});
    halfstep::dequantize<int8_axis>(serial{}, codes(), groups(), decoded());
  }
};

TEST(MutableViews, GoThroughTheKernelsThatQuantize) {
  scene s;
  auto const whole = halfstep::quantizer<int8_axis>()(serial{}, host_view<float const>(s.weight()));
  EXPECT_EQ(elements<std::int8_t>(s.codes()), elements(whole.codes()));
  EXPECT_EQ(elements<float>(s.groups()), elements(whole.groups()));
  auto const plain = halfstep::dequantize(serial{}, whole);
  EXPECT_EQ(elements<float>(s.decoded()), std::vector<float>(plain.begin(), plain.end()));
  auto const off = halfstep::total(halfstep::measure_residual<int8_axis>(serial{}, s.weight(), s.codes(), s.groups()));
  EXPECT_GT(off.max_error, 0.0f);
  EXPECT_LE(off.max_error, 0.51f * *std::max_element(s.scales.begin(), s.scales.end()));
}

TEST(MutableViews, GoThroughEveryStepOfAQuantizer) {
  scene s;
  halfstep::quantizer<int8_axis> const quantizer;
  auto const expected = elements<std::int8_t>(s.codes());
  auto const scales = elements<float>(s.groups());
  auto const zero = [&] {
    std::fill(s.stored.begin(), s.stored.end(), std::int8_t{0});
    std::fill(s.scales.begin(), s.scales.end(), 0.0f);
  };
  zero();
  quantizer(serial{}, s.weight(), s.groups(), s.codes());
  EXPECT_EQ(elements<std::int8_t>(s.codes()), expected);
  zero();
  quantizer.range(serial{}, s.weight(), s.ranges());
  quantizer.fit(serial{}, s.weight(), s.groups());
  EXPECT_EQ(elements<float>(s.groups()), scales);
  quantizer.encode(serial{}, s.weight(), s.groups(), s.codes());
  EXPECT_EQ(elements<std::int8_t>(s.codes()), expected);
  EXPECT_EQ(elements<std::int8_t>(quantizer.with_groups(serial{}, s.weight(), s.groups()).codes()), expected);
  EXPECT_EQ(elements<std::int8_t>(quantizer(serial{}, s.weight()).codes()), expected);
}

TEST(MutableViews, GoThroughSumsAndFigures) {
  scene s;
  host_view<float> const mutable_one = s.weight();
  host_view<float const> const constant = mutable_one;
  EXPECT_EQ(halfstep::sum(serial{}, mutable_one), halfstep::sum(serial{}, constant));
  EXPECT_EQ(halfstep::sum_of_squares(serial{}, mutable_one), halfstep::sum_of_squares(serial{}, constant));
  EXPECT_EQ(halfstep::matrix_range(serial{}, mutable_one).amax, halfstep::matrix_range(serial{}, constant).amax);
  EXPECT_EQ(halfstep::column_max(serial{}, mutable_one), halfstep::column_max(serial{}, constant));
  EXPECT_EQ(halfstep::column_energy(serial{}, mutable_one), halfstep::column_energy(serial{}, constant));
  EXPECT_EQ(halfstep::mean_square().loss(serial{}, mutable_one), halfstep::mean_square().loss(serial{}, constant));
  auto const bins = [&](auto weight, auto decoded, auto scales) {
    return halfstep::error_histogram<halfstep::symmetric_grid<127>>(serial{}, weight, decoded, scales,
                                                                    halfstep::geometry_of<int8_axis>(s.e));
  };
  EXPECT_EQ(bins(mutable_one, s.decoded(), s.groups()),
            bins(constant, host_view<float const>(s.decoded()), host_view<float const>(s.groups())));
}

TEST(MutableViews, GoThroughConversionsCopiesAndRotations) {
  extents2 const e{5, 64};
  auto narrow_ones = noise<halfstep::bfloat16>(e, 3);
  host_buffer<float> wide(e.count()), copy(e.count()), turned(e.count());
  host_buffer<halfstep::bfloat16> back(e.count());
  halfstep::widen(serial{}, narrow_ones.view(e), wide.view(e));
  halfstep::narrow(serial{}, wide.view(e), back.view(e));
  for (index_t i = 0; i < e.count(); ++i) ASSERT_EQ(halfstep::widen(back[i]), halfstep::widen(narrow_ones[i]));
  halfstep::copy(serial{}, wide.view(e), copy.view(e));
  EXPECT_TRUE(std::equal(wide.begin(), wide.end(), copy.begin()));
  halfstep::hadamard_regular(serial{}, narrow_ones.view(e), turned.view(e), 16);
  halfstep::hadamard_regular(serial{}, copy.view(e), copy.view(e), 16);
  EXPECT_TRUE(std::equal(turned.begin(), turned.end(), copy.begin()));
}

TEST(MutableViews, GoThroughProducts) {
  extents2 const in{3, 32}, shape{8, 32}, out{3, 8};
  auto x = noise(in, 1), w = noise(shape, 2), bias = noise({1, 8}, 3);
  host_buffer<float> y(out.count()), same(out.count());
  halfstep::linear(serial{}, x.view(in), w.view(shape), bias.view({1, 8}), y.view(out));
  auto const q = halfstep::quantizer<int8_axis>()(serial{}, w.view(shape));
  halfstep::linear(serial{}, x.view(in), q, bias.view({1, 8}), same.view(out));
  for (index_t i = 0; i < out.count(); ++i) EXPECT_NEAR(y[i], same[i], 1e-2);
  halfstep::linear(serial{}, x.view(in), q, bias.view({1, 8}), same.view(out), halfstep::int8_activations{});
  for (index_t i = 0; i < out.count(); ++i) EXPECT_NEAR(y[i], same[i], 1e-2);
  halfstep::gemm(serial{}, x.view(in), halfstep::operand::plain, w.view(shape), halfstep::operand::transposed, same.view(out));
  for (index_t i = 0; i < out.count(); ++i) EXPECT_NEAR(y[i], same[i] + bias[i % 8], 1e-6);
}

TEST(MutableViews, OfVectorsAndSpansGoThroughInOneCall) {
  extents2 const e{4, 6};
  std::vector<float> weights(24, 0.5f), back(24);
  std::span<float> const seen = weights;
  auto const q = halfstep::quantizer<int8_axis>()(serial{}, as_view(weights, e));
  EXPECT_EQ(elements(halfstep::quantizer<int8_axis>()(serial{}, as_view(seen, e)).codes()), elements(q.codes()));
  halfstep::dequantize(serial{}, q, as_view(back, e));
  for (float const x : back) EXPECT_FLOAT_EQ(x, 0.5f);
  EXPECT_EQ(halfstep::sum(serial{}, as_view(seen.first(6), {1, 6})), 3.0);
}

}  // namespace
