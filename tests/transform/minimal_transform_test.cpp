// The least that a transform and a basis that mixes rows have to be, through everything that takes one.
#include <algorithm>
#include <cmath>
#include <string_view>

#include <gtest/gtest.h>

#include <halfstep/exec/threads.hpp>
#include <halfstep/layout/int8_axis.hpp>
#include <halfstep/tensor/elementwise.hpp>
#include <halfstep/tensor/incoherent.hpp>
#include <halfstep/tensor/linear.hpp>
#include <halfstep/tensor/linear_int8.hpp>
#include <halfstep/tensor/quantizer.hpp>
#include <halfstep/transform/chain.hpp>

#include "../support/weights.hpp"

namespace {

using halfstep::extents2;
using halfstep::host_buffer;
using halfstep::host_view;
using halfstep::index_t;
using halfstep::int8_axis;
using halfstep::serial;
using halfstep_test::noise;

/// Turns every row around.
struct reversal {
  static constexpr std::string_view name = "reversal";
  bool fits(extents2) const { return true; }
  void apply(halfstep::host_executor auto const&, host_view<float> w) const {
    for (index_t row = 0; row < w.rows(); ++row) std::reverse(w.row(row), w.row(row) + w.columns());
  }
  void invert(halfstep::host_executor auto const& ex, host_view<float> w) const { apply(ex, w); }
  void apply_to_input(halfstep::host_executor auto const& ex, host_view<float> x) const { apply(ex, x); }
};

/// Puts the last row first and adds a column of zeros.
class upside_down {
 public:
  static constexpr std::string_view name = "upside down";

  upside_down() = default;
  explicit upside_down(extents2 original) : original_(original) {}

  extents2 original() const { return original_; }
  extents2 padded() const { return {original_.rows, original_.columns + 1}; }
  bool fits(extents2 e) const { return e == padded(); }
  void apply(halfstep::host_executor auto const&, host_view<float> w) const {
    for (index_t row = 0; row < w.rows() / 2; ++row)
      std::swap_ranges(w.row(row), w.row(row) + w.columns(), w.row(w.rows() - 1 - row));
  }
  void invert(halfstep::host_executor auto const& ex, host_view<float> w) const { apply(ex, w); }
  void apply_to_input(halfstep::host_executor auto const&, host_view<float>) const {}
  void invert_output(halfstep::host_executor auto const& ex, host_view<float> y) const { reversal{}.apply(ex, y); }

 private:
  extents2 original_{};
};

static_assert(halfstep::check_transform<reversal>() && halfstep::transform<reversal>);
static_assert(halfstep::check_whole_basis<upside_down>() && halfstep::whole_basis<upside_down>);
static_assert(!halfstep::transform<upside_down> && !halfstep::whole_basis<reversal>);

constexpr extents2 shape{30, 50};

/// x W^T for the numbers W of a tensor, in FP64.
double product(host_buffer<float> const& w, host_buffer<float> const& x, index_t row) {
  double sum = 0.0;
  for (index_t k = 0; k < shape.columns; ++k) sum += static_cast<double>(x[k]) * static_cast<double>(w[row * 50 + k]);
  return sum;
}

template <class Tensor>
void expect_layer(Tensor const& q, host_buffer<float> const& w) {
  auto const plain = halfstep::dequantize(serial{}, q);
  ASSERT_EQ(plain.size(), shape.count());
  for (index_t i = 0; i < plain.size(); ++i) ASSERT_NEAR(plain[i], w[i], 0.1 / 254 * 1.0001);
  auto const x = noise({1, 50}, 2);
  host_buffer<float> y(30), rounded(30);
  halfstep::linear(halfstep::threads(2), host_view<float const>(x.view({1, 50})), q, {}, y.view({1, 30}));
  halfstep::linear(serial{}, host_view<float const>(x.view({1, 50})), q, {}, rounded.view({1, 30}), halfstep::int8_activations{});
  for (index_t row = 0; row < 30; ++row) {
    EXPECT_NEAR(y[row], product(plain, x, row), 1e-6);
    EXPECT_NEAR(rounded[row], y[row], 1e-3);
  }
  auto const z = noise({1, 30}, 3);
  host_buffer<float> back(50);
  halfstep::matmul(serial{}, host_view<float const>(z.view({1, 30})), q, back.view({1, 50}));
  for (index_t k = 0; k < 50; ++k) {
    double sum = 0.0;
    for (index_t row = 0; row < 30; ++row) sum += static_cast<double>(z[row]) * static_cast<double>(plain[row * 50 + k]);
    EXPECT_NEAR(back[k], sum, 1e-6);
  }
}

TEST(MinimalTransform, GoesThroughEveryOperation) {
  auto const w = noise(shape);
  auto q = halfstep::quantizer<int8_axis, halfstep::nearest, reversal>()(halfstep::threads(2), w.view(shape));
  expect_layer(q, w);
  auto const plain = halfstep::quantizer<int8_axis>()(serial{}, w.view(shape));
  for (index_t row = 0; row < 30; ++row)
    for (index_t k = 0; k < 50; ++k) ASSERT_EQ(q.codes()(row, k), plain.codes()(row, 49 - k));
  auto const twice =
      halfstep::quantizer<int8_axis, halfstep::nearest, halfstep::chain<reversal, reversal>>()(serial{}, w.view(shape));
  for (index_t i = 0; i < shape.count(); ++i) ASSERT_EQ(twice.codes().data()[i], plain.codes().data()[i]);
  halfstep::add_in_place(serial{}, q, host_view<float const>(w.view(shape)));
  auto const doubled = halfstep::dequantize(serial{}, q);
  for (index_t i = 0; i < shape.count(); ++i) ASSERT_NEAR(doubled[i], 2.0f * w[i], 0.002);
}

TEST(MinimalWholeBasis, GoesThroughEveryOperation) {
  auto const w = noise(shape);
  auto const q =
      halfstep::quantizer<int8_axis, halfstep::nearest, upside_down>({}, upside_down(shape))(halfstep::threads(2), w.view(shape));
  EXPECT_EQ(q.extents(), (extents2{30, 51}));
  expect_layer(q, w);
  auto const plain = halfstep::quantizer<int8_axis>()(serial{}, w.view(shape));
  for (index_t row = 0; row < 30; ++row)
    for (index_t k = 0; k < 51; ++k) ASSERT_EQ(q.codes()(row, k), k < 50 ? plain.codes()(29 - row, k) : 0);
}

}  // namespace
