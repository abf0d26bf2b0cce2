#include <cstdint>
#include <limits>
#include <type_traits>
#include <vector>

#include <gtest/gtest.h>

#include <halfstep/cuda.cuh>
#include <halfstep/tensor/elementwise.hpp>
#include <halfstep/tensor/linear.hpp>
#include <halfstep/tensor/transpose.hpp>

#include "../kernel/device_cases.hpp"
#include "../kernel/gpu_machine.hpp"
#include "../kernel/verdict.hpp"

namespace {

using namespace halfstep;
using device_cases::same_bits;

/// A layout, and a basis that it is used in.
template <class Layout, class Transform>
struct kind {
  using layout = Layout;
  using transform = Transform;
};

template <class View>
auto elements(View view) {
  return std::vector<typename View::value_type>(view.data(), view.data() + view.extents().count());
}

/// Whether two tensors are the same, shapes, types and bits.
template <class Layout, class Transform>
testing::AssertionResult are_same(quantized_tensor<Layout, host_space, Transform> const& found,
                                  quantized_tensor<Layout, host_space, Transform> const& expected) {
  verdict same(testing::Message() << Layout::name);
  same.require(found.extents() == expected.extents(), "extents");
  same.require(found.source_type() == expected.source_type(), "source type");
  same.require(same_bits(elements(found.codes()), elements(expected.codes())), "codes");
  same.require(same_bits(elements(found.groups()), elements(expected.groups())), "groups");
  return same;
}

template <class Kind>
class OperationsOnDevice : public GpuTest {
 protected:
  using layout = typename Kind::layout;
  using transform = typename Kind::transform;

  static transform basis() {
    if constexpr (std::is_same_v<transform, identity>)
      return {};
    else
      return transform{64};
  }
  static constexpr extents2 shape{192, 320};

  std::vector<bfloat16> const weights_ = device_cases::weights<bfloat16>(shape);
  quantized_tensor<layout, host_space, transform> here_ =
      quantizer<layout, nearest, transform>({}, basis())(serial{}, host_view<bfloat16 const>(weights_.data(), shape));
};
using kinds = testing::Types<kind<int8_axis, identity>, kind<int8_axis, regular_hadamard>, kind<int8_tensor, identity>,
                             kind<int8_block<64>, identity>, kind<fp8_axis, identity>, kind<fp16, identity>>;
TYPED_TEST_SUITE(OperationsOnDevice, kinds);

TYPED_TEST(OperationsOnDevice, AddToTheCodesOfTheHost) {
  gpu_machine machine;
  auto const ex = machine.executor();
  auto there = copy_to_device(ex, this->here_);
  auto const delta = device_cases::weights<float>(this->shape, 5);
  auto const device_delta = machine.upload(delta, 0);

  add_in_place(serial{}, this->here_, host_view<float const>(delta.data(), this->shape));
  add_in_place(ex, there, device_view<float const>(device_delta.data(), this->shape));
  EXPECT_TRUE(are_same(copy_to_host(ex, there), this->here_));
}

TYPED_TEST(OperationsOnDevice, LeaveATensorAloneWhereTheSumIsNotFinite) {
  gpu_machine machine;
  auto const ex = machine.executor();
  auto there = copy_to_device(ex, this->here_);
  auto delta = device_cases::weights<float>(this->shape, 5);
  delta[700] = std::numeric_limits<float>::infinity();
  auto const device_delta = machine.upload(delta, 0);

  EXPECT_THROW(add_in_place(ex, there, device_view<float const>(device_delta.data(), this->shape)), value_error);
  EXPECT_TRUE(are_same(copy_to_host(ex, there), this->here_));
  EXPECT_THROW(add_in_place(ex, there, device_view<float const>(device_delta.data(), {1, 320})), shape_error);
}

TYPED_TEST(OperationsOnDevice, ActivateToTheCodesOfTheHost) {
  gpu_machine machine;
  auto const ex = machine.executor();
  auto const there = copy_to_device(ex, this->here_);
  EXPECT_TRUE(are_same(copy_to_host(ex, gelu(ex, there)), gelu(serial{}, this->here_)));
  EXPECT_TRUE(are_same(copy_to_host(ex, gelu(ex, there, gelu_tanh{})), gelu(serial{}, this->here_, gelu_tanh{})));
}

TYPED_TEST(OperationsOnDevice, AddARowOrAMatrixToTheProduct) {
  gpu_machine machine;
  auto const ex = machine.executor();
  auto const there = copy_to_device(ex, this->here_);
  extents2 const in{3, this->shape.rows}, out{3, this->shape.columns};
  auto const x = device_cases::weights<float>(in, 2);
  auto const device_x = machine.upload(x, 0);
  for (index_t const rows : {1, 3}) {
    auto const a = device_cases::weights<float>({rows, out.columns}, 3);
    auto const device_a = machine.upload(a, 0);
    auto const y = machine.upload(device_cases::filled<float>(out.count()), 0);
    std::vector<float> expected(static_cast<std::size_t>(out.count()));
    addmm(serial{}, host_view<float const>(a.data(), {rows, out.columns}), host_view<float const>(x.data(), in), this->here_,
          host_view<float>(expected.data(), out));
    addmm(ex, device_view<float const>(device_a.data(), {rows, out.columns}), device_view<float const>(device_x.data(), in),
          there, device_view<float>(y.data(), out));
    EXPECT_LT(device_cases::relative_difference(machine.download(y), expected), 1e-5);
    EXPECT_THROW(addmm(ex, device_view<float const>(device_a.data(), {2, out.columns}),
                       device_view<float const>(device_x.data(), in), there, device_view<float>(y.data(), out)),
                 shape_error);
  }
}

/// Tensors in a basis have no transpose.
template <class Kind>
class LayoutsOnDevice : public OperationsOnDevice<Kind> {};
using layouts = testing::Types<kind<int8_axis, identity>, kind<int8_tensor, identity>, kind<int8_block<64>, identity>,
                               kind<fp8_axis, identity>, kind<fp16, identity>>;
TYPED_TEST_SUITE(LayoutsOnDevice, layouts);

TYPED_TEST(LayoutsOnDevice, TransposeToTheCodesOfTheHost) {
  gpu_machine machine;
  auto const ex = machine.executor();
  auto const there = transpose(ex, copy_to_device(ex, this->here_));
  EXPECT_TRUE(are_same(copy_to_host(ex, there), transpose(serial{}, this->here_)));
  EXPECT_TRUE(are_same(copy_to_host(ex, transpose(ex, there)), this->here_));
}

class TransposeOnDevice : public GpuTest {};

TEST_F(TransposeOnDevice, TakesEveryEdgeAndSizeOfElement) {
  gpu_machine machine;
  auto const check = [&](auto element) {
    using T = decltype(element);
    for (extents2 const e : {extents2{1, 1}, {63, 64}, {65, 130}, {200, 3}, {0, 5}}) {
      std::vector<T> from(static_cast<std::size_t>(e.count())), expected(from.size());
      for (std::size_t i = 0; i < from.size(); ++i) from[i] = static_cast<T>(i * 37 + 5);
      for (index_t row = 0; row < e.rows; ++row)
        for (index_t column = 0; column < e.columns; ++column)
          expected[static_cast<std::size_t>(column * e.rows + row)] = from[static_cast<std::size_t>(row * e.columns + column)];
      auto const device_from = machine.upload(from, 1);
      auto const to = machine.upload(device_cases::filled<T>(e.count()), 0);
      transpose_async(machine.executor(), device_view<T const>(device_from.data(), e), device_view<T>(to.data(), e.transposed()));
      EXPECT_TRUE(same_bits(machine.download(to), expected)) << e.rows << " x " << e.columns << ", " << sizeof(T) << " bytes";
    }
  };
  check(std::int8_t{});
  check(std::uint16_t{});
  check(float{});
  check(double{});
  EXPECT_THROW(
      transpose_async(machine.executor(), device_view<float const>(nullptr, {2, 3}), device_view<float>(nullptr, {2, 3})),
      shape_error);
}

}  // namespace
