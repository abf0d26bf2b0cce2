#include <halfstep/tensor/incoherent.hpp>

#include <bit>
#include <cmath>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <halfstep/exec/serial.hpp>
#include <halfstep/exec/threads.hpp>
#include <halfstep/layout/int8_axis.hpp>
#include <halfstep/layout/int8_block.hpp>
#include <halfstep/layout/int8_tensor.hpp>
#include <halfstep/tensor/dequantize.hpp>
#include <halfstep/tensor/linear.hpp>
#include <halfstep/tensor/quantizer.hpp>
#include <halfstep/transform/two_sided_hadamard.hpp>

#include "../support/weights.hpp"

namespace {

using halfstep::extents2;
using halfstep::host_buffer;
using halfstep::host_view;
using halfstep::index_t;
using halfstep::philox;
using halfstep::serial;
using halfstep::two_sided_hadamard;
using halfstep_test::noise;

static_assert(halfstep::check_whole_basis<two_sided_hadamard>() && !halfstep::transform<two_sided_hadamard>);

/// Heavy-tailed weights: products of bell-shaped numbers, some of them a hundred times as large.
host_buffer<float> heavy(extents2 e) {
  auto w = noise(e, 11);
  for (index_t i = 0; i < w.size(); ++i) w[i] *= i % 61 == 0 ? 30.0f : 1.0f;
  return w;
}

host_buffer<float> padded(host_buffer<float> const& w, two_sided_hadamard const& t) {
  host_buffer<float> all(t.padded().count());
  halfstep::detail::pad_into(serial{}, host_view<float const>(w.view(t.original())), all.view(t.padded()));
  return all;
}

template <class Layout>
auto quantized(host_buffer<float> const& w, two_sided_hadamard const& t) {
  return halfstep::quantizer<Layout, halfstep::nearest, two_sided_hadamard>({}, t)(serial{}, w.view(t.original()));
}

double sqnr(host_buffer<float> const& w, host_buffer<float> const& stored) {
  double lost = 0.0, signal = 0.0;
  for (index_t i = 0; i < w.size(); ++i) {
    lost += std::pow(static_cast<double>(stored[i]) - static_cast<double>(w[i]), 2);
    signal += std::pow(static_cast<double>(w[i]), 2);
  }
  return 10.0 * std::log10(signal / lost);
}

TEST(TwoSidedHadamard, IsTheFormulaOfTheFile) {
  extents2 const e{5, 11};
  two_sided_hadamard const t(philox(4), e);
  EXPECT_EQ(t.padded(), (extents2{8, 16}));
  auto const w = noise(e, 1);
  auto turned = padded(w, t);
  t.apply(serial{}, turned.view(t.padded()));
  auto const h = [](index_t i, index_t j, double size) {
    return (std::popcount(static_cast<unsigned>(i & j)) % 2 == 0 ? 1.0 : -1.0) / std::sqrt(size);
  };
  for (index_t a = 0; a < 8; ++a)
    for (index_t b = 0; b < 16; ++b) {
      double sum = 0.0;
      for (index_t i = 0; i < 5; ++i)
        for (index_t j = 0; j < 11; ++j)
          sum += h(a, i, 8) *
                 static_cast<double>(t.row_signs()[static_cast<std::size_t>(i)] * w[i * 11 + j] *
                                     t.column_signs()[static_cast<std::size_t>(j)]) *
                 h(j, b, 16);
      EXPECT_NEAR(turned[a * 16 + b], sum, 1e-7);
    }
  t.invert(halfstep::threads(3), turned.view(t.padded()));
  for (index_t i = 0; i < 5; ++i)
    for (index_t j = 0; j < 11; ++j) EXPECT_NEAR(turned[i * 16 + j], w[i * 11 + j], 1e-7f);
}

TEST(TwoSidedHadamard, IsAFunctionOfTheKeyOnEveryExecutor) {
  extents2 const e{100, 300};
  two_sided_hadamard const t(philox(4), e), same(philox(4), e), other(philox(5), e);
  EXPECT_TRUE(std::equal(t.row_signs().begin(), t.row_signs().end(), same.row_signs().begin()));
  EXPECT_FALSE(std::equal(t.row_signs().begin(), t.row_signs().end(), other.row_signs().begin()));
  EXPECT_FALSE(std::equal(t.row_signs().begin(), t.row_signs().end(), t.column_signs().begin()));
  auto const w = noise(e);
  auto one = padded(w, t), five = padded(w, t);
  t.apply(serial{}, one.view(t.padded()));
  t.apply(halfstep::threads(5), five.view(t.padded()));
  for (index_t i = 0; i < one.size(); ++i) ASSERT_EQ(one[i], five[i]);
  EXPECT_THROW(two_sided_hadamard(e, std::vector<float>(100, 1.0f), std::vector<float>(512, 1.0f)), halfstep::shape_error);
}

template <class Layout>
class Incoherent : public testing::Test {};
using layouts = testing::Types<halfstep::int8_axis, halfstep::int8_tensor, halfstep::int8_block<64>>;
TYPED_TEST_SUITE(Incoherent, layouts);

TYPED_TEST(Incoherent, TensorsOfHeavyTailsComeBackCloserThanPlainOnes) {
  extents2 const e{192, 320};
  auto const w = heavy(e);
  auto const plain = halfstep::dequantize(serial{}, halfstep::quantizer<TypeParam>()(serial{}, w.view(e)));
  auto const q = quantized<TypeParam>(w, two_sided_hadamard(philox(7), e));
  auto const turned = halfstep::dequantize(serial{}, q);
  EXPECT_EQ(turned.size(), e.count());
  EXPECT_GT(sqnr(w, turned), sqnr(w, plain) + 2.0);
}

TYPED_TEST(Incoherent, WeightsOfAnySizeAreQuantizedInTheirWholeBasis) {
  extents2 const e{500, 512};  // more than one tile of rows, which mix
  two_sided_hadamard const basis(philox(9), e);
  auto const w = heavy(e);
  auto turned = padded(w, basis);
  basis.apply(serial{}, turned.view(basis.padded()));
  auto const expected = halfstep::quantizer<TypeParam>()(serial{}, turned.view(basis.padded()));
  auto const q = quantized<TypeParam>(w, basis);
  ASSERT_EQ(q.extents(), (extents2{512, 512}));
  for (index_t i = 0; i < q.extents().count(); ++i) ASSERT_EQ(q.codes().data()[i], expected.codes().data()[i]);
  for (index_t i = 0; i < q.groups().extents().count(); ++i) ASSERT_EQ(q.groups().data()[i], expected.groups().data()[i]);
  EXPECT_GT(sqnr(w, halfstep::dequantize(serial{}, q)), 30.0);
}

TYPED_TEST(Incoherent, AWeightThatIsNotFiniteIsNamedAtItsOwnPlace) {
  extents2 const e{40, 100};
  auto w = heavy(e);
  w[3 * 100 + 7] = INFINITY;
  try {
    quantized<TypeParam>(w, two_sided_hadamard(philox(9), e));
    FAIL() << "an infinite weight was quantized";
  } catch (halfstep::value_error const& error) {
    EXPECT_THAT(error.what(), testing::HasSubstr("row 3, column 7 (element 307 of its tensor) is infinite"));
  }
}

TYPED_TEST(Incoherent, ProductsAreThoseOfTheNumbersThatComeBack) {
  extents2 const e{192, 320}, in{9, 320}, out{9, 192};
  auto const q = quantized<TypeParam>(heavy(e), two_sided_hadamard(philox(7), e));
  auto const w = halfstep::dequantize(serial{}, q);
  auto const x = noise(in, 2), bias = noise({1, 192}, 3);
  host_buffer<float> y(out.count()), expected(out.count());
  halfstep::linear(halfstep::threads(2), x.view(in), q, host_view<float const>(bias.view({1, 192})), y.view(out));
  halfstep::linear(serial{}, x.view(in), host_view<float const>(w.view(e)), host_view<float const>(bias.view({1, 192})),
                   expected.view(out));
  for (index_t i = 0; i < y.size(); ++i) ASSERT_NEAR(y[i], expected[i], 1e-5f);

  extents2 const left{4, 192}, right{4, 320};
  auto const z = noise(left, 5);
  host_buffer<float> product(right.count()), wanted(right.count());
  halfstep::matmul(serial{}, z.view(left), q, product.view(right));
  halfstep::gemm(serial{}, host_view<float const>(z.view(left)), host_view<float const>(w.view(e)), wanted.view(right));
  for (index_t i = 0; i < product.size(); ++i) ASSERT_NEAR(product[i], wanted[i], 1e-5f);
}

TYPED_TEST(Incoherent, IntegerProductsAreThoseOfRoundedInputs) {
  extents2 const e{192, 320}, in{9, 320}, out{9, 192};
  auto const q = quantized<TypeParam>(heavy(e), two_sided_hadamard(philox(7), e));
  auto const x = noise(in, 2), bias = noise({1, 192}, 3);
  host_view<float const> const addend(bias.view({1, 192}));
  host_buffer<float> y(out.count()), parallel(out.count()), exact(out.count()), through(out.count());
  halfstep::linear(serial{}, x.view(in), q, addend, y.view(out), halfstep::int8_activations{});
  halfstep::linear(halfstep::threads(3), x.view(in), q, addend, parallel.view(out), halfstep::int8_activations{});
  halfstep::linear(serial{}, x.view(in), q, addend, exact.view(out));

  // The same by other means: x' rounded and brought back to x, which the exact product then takes.
  extents2 const wide{9, 512};
  host_buffer<float> turned(wide.count()), back(in.count());
  for (index_t b = 0; b < 9; ++b)
    for (index_t k = 0; k < 512; ++k) turned[b * 512 + k] = k < 320 ? x[b * 320 + k] : 0.0f;
  q.transform().apply_to_input(serial{}, turned.view(wide));
  auto const rounded = halfstep::quantizer<halfstep::int8_axis>()(serial{}, turned.view(wide));
  auto const numbers = halfstep::dequantize(serial{}, rounded);
  auto weight = padded(halfstep::dequantize(serial{}, q), q.transform());
  q.transform().apply(serial{}, weight.view(q.extents()));
  extents2 const high{9, q.extents().rows};
  host_buffer<float> products(high.count());
  halfstep::linear(serial{}, host_view<float const>(numbers.view(wide)), host_view<float const>(weight.view(q.extents())), {},
                   products.view(high));
  q.transform().invert_output(serial{}, products.view(high));

  double off = 0.0, size = 0.0;
  for (index_t i = 0; i < y.size(); ++i) {
    ASSERT_EQ(y[i], parallel[i]);
    off += std::pow(static_cast<double>(y[i]) - static_cast<double>(exact[i]), 2);
    size += std::pow(static_cast<double>(exact[i]), 2);
    index_t const b = i / 192, row = i % 192;
    EXPECT_NEAR(y[i], products[b * high.columns + row] + bias[row], 2e-5f);
  }
  EXPECT_GT(off, 0.0) << "nothing was rounded";
  EXPECT_LT(off, 1e-3 * size);
}

TYPED_TEST(Incoherent, IntegerProductsRefuseInputsThatAreNotFinite) {
  extents2 const e{192, 320};
  auto const q = quantized<TypeParam>(heavy(e), two_sided_hadamard(philox(7), e));
  auto x = noise({1, 320}, 2);
  x[17] = NAN;
  host_buffer<float> y(192);
  EXPECT_THROW(halfstep::linear(serial{}, x.view({1, 320}), q, {}, y.view({1, 192}), halfstep::int8_activations{}),
               halfstep::value_error);
}

TYPED_TEST(Incoherent, RefusesOutputsOfThePaddedShape) {
  extents2 const e{192, 320};
  auto const q = quantized<TypeParam>(heavy(e), two_sided_hadamard(philox(7), e));
  host_buffer<float> out(q.extents().count());
  EXPECT_THROW(halfstep::dequantize(serial{}, q, out.view(q.extents())), halfstep::shape_error);
}

}  // namespace
