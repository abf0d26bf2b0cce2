// Operations on quantized tensors, held against the same operation on what they stand for.

#include <cmath>
#include <cstddef>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <halfstep/exec/serial.hpp>
#include <halfstep/exec/threads.hpp>
#include <halfstep/layout/fp16.hpp>
#include <halfstep/layout/int8_axis.hpp>
#include <halfstep/layout/int8_block.hpp>
#include <halfstep/layout/int8_tensor.hpp>
#include <halfstep/tensor/copy.hpp>
#include <halfstep/tensor/dequantize.hpp>
#include <halfstep/tensor/elementwise.hpp>
#include <halfstep/tensor/linear.hpp>
#include <halfstep/tensor/quantizer.hpp>
#include <halfstep/tensor/transpose.hpp>
#include <halfstep/tensor/view.hpp>
#include <halfstep/transform/hadamard.hpp>

#include "../support/weights.hpp"

namespace {

using halfstep::bfloat16;
using halfstep::extents2;
using halfstep::host_buffer;
using halfstep::host_view;
using halfstep::index_t;
using halfstep::serial;
using halfstep::threads;
using halfstep_test::message_of;
using halfstep_test::noise;

/// a b, or a b^T, by the definition in FP64.
std::vector<double> product(host_view<float const> a, host_view<float const> b, std::string const& form) {
  bool const across = form == "a b^T";
  index_t const columns = across ? b.rows() : b.columns();
  std::vector<double> c;
  for (index_t i = 0; i < a.rows(); ++i)
    for (index_t j = 0; j < columns; ++j) {
      double sum = 0;
      for (index_t k = 0; k < a.columns(); ++k)
        sum += static_cast<double>(a(i, k)) * static_cast<double>(across ? b(j, k) : b(k, j));
      c.push_back(sum);
    }
  return c;
}

void expect_near(host_view<float const> actual, std::vector<double> const& expected, double tolerance) {
  ASSERT_EQ(static_cast<std::size_t>(actual.extents().count()), expected.size());
  for (std::size_t i = 0; i < expected.size(); ++i) ASSERT_NEAR(actual.data()[i], expected[i], tolerance) << i;
}

template <class Layout>
class Operations : public testing::Test {
 protected:
  static constexpr extents2 shape{192, 320};  // rows are no multiple of a product's tile, columns are of ConvRot's 64
  host_buffer<float> weights = noise(shape);
  halfstep::quantized_tensor<Layout> q = halfstep::quantizer<Layout>()(serial{}, weights.view(shape));
  host_buffer<float> plain = halfstep::dequantize(serial{}, q);
  host_view<float const> w = plain.view(shape);
};
using layouts = testing::Types<halfstep::int8_block<64>, halfstep::int8_axis, halfstep::int8_tensor, halfstep::fp16>;
TYPED_TEST_SUITE(Operations, layouts);

TYPED_TEST(Operations, DequantizeToWithinHalfAStep) {
  for (index_t i = 0; i < this->shape.count(); ++i) ASSERT_NEAR(this->plain[i], this->weights[i], 0.1 / 127 * 0.5 * 1.0001);
}

TYPED_TEST(Operations, LinearIsTheProductWithTheTransposeAndTheBias) {
  auto const x = noise({37, 320}, 2);
  auto const bias = noise({1, 192}, 3);
  host_buffer<float> y(37 * 192);
  halfstep::linear(serial{}, x.view({37, 320}), this->q, bias.view({1, 192}), y.view({37, 192}));
  auto expected = product(x.view({37, 320}), this->w, "a b^T");
  for (std::size_t i = 0; i < expected.size(); ++i) expected[i] += bias[static_cast<index_t>(i % 192)];
  expect_near(y.view({37, 192}), expected, 1e-6);
}

TYPED_TEST(Operations, MatmulIsTheProduct) {
  auto const x = noise({5, 192}, 2);
  host_buffer<float> y(5 * 320);
  halfstep::matmul(serial{}, x.view({5, 192}), this->q, y.view({5, 320}));
  expect_near(y.view({5, 320}), product(x.view({5, 192}), this->w, "a b"), 1e-6);
}

TYPED_TEST(Operations, AddmmAddsARowOrAMatrixToTheProduct) {
  auto const x = noise({5, 192}, 2);
  for (index_t const rows : {1, 5}) {
    auto const a = noise({rows, 320}, 3);
    host_buffer<float> y(5 * 320);
    halfstep::addmm(threads(2), a.view({rows, 320}), x.view({5, 192}), this->q, y.view({5, 320}));
    auto expected = product(x.view({5, 192}), this->w, "a b");
    for (std::size_t i = 0; i < expected.size(); ++i) expected[i] += a[static_cast<index_t>(rows == 1 ? i % 320 : i)];
    expect_near(y.view({5, 320}), expected, 1e-6);
  }
}

TYPED_TEST(Operations, TransposeMovesCodesAndGroupsAndChangesNoNumber) {
  auto const t = halfstep::transpose(threads(2), this->q);
  EXPECT_EQ(t.extents(), this->shape.transposed());
  EXPECT_EQ(t.groups().extents(), this->q.groups().extents().transposed());
  auto const moved = halfstep::dequantize(threads(2), t);
  for (index_t row = 0; row < this->shape.rows; ++row)
    for (index_t column = 0; column < this->shape.columns; ++column)
      ASSERT_EQ(moved[column * this->shape.rows + row], this->w(row, column)) << row << ", " << column;
  auto const back = halfstep::transpose(serial{}, t);
  static_assert(std::is_same_v<decltype(back), halfstep::quantized_tensor<TypeParam> const>);
  for (index_t i = 0; i < this->shape.count(); ++i) ASSERT_EQ(back.codes().data()[i], this->q.codes().data()[i]);
}

TYPED_TEST(Operations, AddInPlaceQuantizesTheSum) {
  auto const delta = noise(this->shape, 5);
  host_buffer<float> sum(this->shape.count());
  for (index_t i = 0; i < sum.size(); ++i) sum[i] = this->w.data()[i] + delta[i];
  auto const expected = halfstep::quantizer<TypeParam>()(serial{}, sum.view(this->shape));
  halfstep::add_in_place(threads(2), this->q, delta.view(this->shape));
  for (index_t i = 0; i < sum.size(); ++i) ASSERT_EQ(this->q.codes().data()[i], expected.codes().data()[i]) << i;
}

TYPED_TEST(Operations, GeluQuantizesTheActivation) {
  auto const g = halfstep::dequantize(serial{}, halfstep::gelu(threads(2), this->q));
  for (index_t i = 0; i < g.size(); ++i) {
    double const x = this->w.data()[i];
    ASSERT_NEAR(g[i], x * 0.5 * std::erfc(-x / std::sqrt(2.0)), 0.06 / 127 * 0.5);
  }
}

TYPED_TEST(Operations, CopyIsASecondTensor) {
  auto const copy = halfstep::copy(threads(2), this->q);
  EXPECT_NE(copy.codes().data(), this->q.codes().data());
  auto const again = halfstep::dequantize(serial{}, copy);
  for (index_t i = 0; i < again.size(); ++i) ASSERT_EQ(again[i], this->w.data()[i]);
}

TYPED_TEST(Operations, LinearHasTheSameBitsForEveryNumberOfThreads) {
  auto const x = noise({300, 320}, 2);
  host_buffer<float> one(300 * 192), two(300 * 192);
  halfstep::linear(serial{}, x.view({300, 320}), this->q, {}, one.view({300, 192}));
  for (int const count : {1, 2, 3}) {
    halfstep::linear(threads(count), x.view({300, 320}), this->q, {}, two.view({300, 192}));
    for (index_t i = 0; i < one.size(); ++i) ASSERT_EQ(one[i], two[i]) << count;
  }
}

TEST(RotatedTensor, DequantizesIntoItsOwnBasisAndRotatesTheInputOfLinear) {
  extents2 const shape{64, 256};
  auto const weights = noise<bfloat16>(shape);
  halfstep::quantizer<halfstep::int8_axis, halfstep::nearest, halfstep::regular_hadamard> const quantize({}, {64});
  auto const q = quantize(threads(2), weights.view(shape));
  EXPECT_EQ(q.source_type(), halfstep::dtype::bf16);
  EXPECT_EQ(q.transform().group, 64);
  auto const plain = halfstep::dequantize(serial{}, q);
  for (index_t i = 0; i < plain.size(); ++i) ASSERT_NEAR(plain[i], halfstep::widen(weights[i]), 2e-3);

  auto const x = noise({7, 256}, 2);
  host_buffer<float> y(7 * 64);
  halfstep::linear(threads(2), x.view({7, 256}), q, {}, y.view({7, 64}));
  expect_near(y.view({7, 64}), product(x.view({7, 256}), plain.view(shape), "a b^T"), 1e-6);

  auto const v = noise({7, 64}, 3);
  host_buffer<float> z(7 * 256);
  halfstep::matmul(threads(2), v.view({7, 64}), q, z.view({7, 256}));
  expect_near(z.view({7, 256}), product(v.view({7, 64}), plain.view(shape), "a b"), 1e-6);
}

TEST(QuantizedTensor, RemembersTheTypeOfItsWeights) {
  extents2 const shape{32, 64};
  auto const weights = noise<bfloat16>(shape);
  halfstep::quantizer<halfstep::int8_axis, halfstep::nearest, halfstep::regular_hadamard> const rotate({}, {16});
  auto const q = rotate(serial{}, weights.view(shape));
  std::vector<std::byte> bytes(static_cast<std::size_t>(shape.count()) * 2);
  halfstep::dequantize_as_source(serial{}, q, bytes);
  auto const plain = halfstep::dequantize(serial{}, q);
  auto const* const stored = reinterpret_cast<bfloat16 const*>(bytes.data());
  for (index_t i = 0; i < plain.size(); ++i) ASSERT_EQ(stored[i], halfstep::to_bfloat16(plain[i]));
  bytes.resize(bytes.size() + 2);
  EXPECT_THROW(halfstep::dequantize_as_source(serial{}, q, bytes), halfstep::shape_error);
}

TEST(QuantizedTensor, RefusesCodesOfAnotherSize) {
  EXPECT_THAT(message_of([] {
                halfstep::quantized_tensor<halfstep::int8_axis>({2, 3}, host_buffer<std::int8_t>(5), host_buffer<float>(2));
              }),
              testing::HasSubstr("the codes of a quantized tensor: expected 1 x 6, got 1 x 5"));
  EXPECT_THAT(message_of([] {
                halfstep::quantized_tensor<halfstep::int8_axis>({2, 3}, host_buffer<std::int8_t>(6), host_buffer<float>(3));
              }),
              testing::HasSubstr("the groups of a quantized tensor"));
  EXPECT_THROW(halfstep::quantized_tensor<halfstep::int8_block<64>>({64, 65}), halfstep::shape_error);
}

TEST(View, KeepsEveryElementsGroup) {
  auto const weights = noise({6, 8});
  auto whole = halfstep::quantizer<halfstep::int8_tensor>()(serial{}, weights.view({6, 8}));
  auto const* const codes = whole.codes().data();
  auto const flat = halfstep::view(std::move(whole), {4, 12});
  EXPECT_EQ(flat.extents(), (extents2{4, 12}));
  EXPECT_EQ(flat.codes().data(), codes);

  auto rows = halfstep::quantizer<halfstep::int8_axis>()(serial{}, weights.view({6, 8}));
  EXPECT_THAT(message_of([&] { halfstep::view(std::move(rows), {4, 12}); }), testing::HasSubstr("to other groups"));
  EXPECT_THROW(halfstep::view(std::move(rows), {6, 9}), halfstep::shape_error);
  EXPECT_EQ(halfstep::view(std::move(rows), {6, 8}).extents(), (extents2{6, 8}));
}

/// A layout that computes linear itself: it says so with an overload beside it.
struct own_linear : halfstep::int8_tensor {};

template <halfstep::host_executor Executor>
void linear(Executor const&, host_view<float const>, halfstep::quantized_tensor<own_linear> const&, host_view<float const>,
            host_view<float> y) {
  y(0, 0) = 42.0f;
}

TEST(Operation, IsSpecializedByAnOverloadBesideTheLayout) {
  auto const weights = noise({4, 4});
  auto const q = halfstep::quantizer<own_linear>()(serial{}, weights.view({4, 4}));
  host_buffer<float> y(4);
  linear(serial{}, host_view<float const>(weights.data(), {1, 4}), q, {}, y.view({1, 4}));
  EXPECT_EQ(y[0], 42.0f);
}

}  // namespace
