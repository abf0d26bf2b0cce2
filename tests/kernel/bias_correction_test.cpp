#include <halfstep/kernel/bias_correction.hpp>

#include <cmath>
#include <vector>

#include <gtest/gtest.h>

#include <halfstep/exec/threads.hpp>
#include <halfstep/kernel/hadamard.hpp>
#include <halfstep/layout/int8_axis.hpp>
#include <halfstep/layout/int8_block.hpp>
#include <halfstep/layout/int8_tensor.hpp>
#include <halfstep/tensor/quantizer.hpp>

#include "../support/weights.hpp"

namespace {

using halfstep::extents2;
using halfstep::host_buffer;
using halfstep::host_view;
using halfstep::index_t;
using halfstep::serial;
using grid = halfstep::symmetric_grid<127>;

/// A layer with its codes, and the mean of its inputs.
template <class Layout>
struct layer {
  extents2 e;
  host_buffer<float> weight;
  halfstep::quantized_tensor<Layout, halfstep::host_space> q;
  std::vector<float> mean;

  explicit layer(extents2 shape, int rotation = 0)
      : e(shape), weight(halfstep_test::noise(shape)), mean(static_cast<std::size_t>(shape.columns)) {
    auto const m = halfstep_test::noise({1, e.columns}, 5);
    for (std::size_t j = 0; j < mean.size(); ++j) mean[j] = 0.5f + 10.0f * m[static_cast<index_t>(j)];
    if (rotation != 0) {
      host_view<float> const row(mean.data(), {1, e.columns});
      halfstep::hadamard_regular(serial{}, host_view<float const>(row), row, rotation);
      halfstep::hadamard_regular(serial{}, host_view<float const>(weight.view(e)), weight.view(e), rotation);
    }
    q = halfstep::quantizer<Layout>()(serial{}, host_view<float const>(weight.view(e)));
  }

  template <class Executor>
  std::vector<double> lost(Executor const& ex) const {
    return halfstep::residual_mean<grid>(ex, host_view<float const>(weight.view(e)), q.codes(), q.groups(),
                                         halfstep::geometry_of<Layout>(e), mean);
  }

  /// The mean of each output, in FP64: of the weights, or of what is stored.
  std::vector<double> outputs(std::vector<float> const& bias, bool stored) const {
    std::vector<double> y;
    for (index_t row = 0; row < e.rows; ++row) {
      double sum = static_cast<double>(bias[static_cast<std::size_t>(row)]);
      for (index_t column = 0; column < e.columns; ++column) {
        auto const step = Layout::unpack(q.groups().data()[Layout::group_of(e, row, column)]);
        float const w = stored ? Layout::decode(q.codes()(row, column), step) : weight[row * e.columns + column];
        sum += static_cast<double>(w) * static_cast<double>(mean[static_cast<std::size_t>(column)]);
      }
      y.push_back(sum);
    }
    return y;
  }
};

double distance(std::vector<double> const& a, std::vector<double> const& b) {
  double difference = 0, size = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    difference += (a[i] - b[i]) * (a[i] - b[i]);
    size += b[i] * b[i];
  }
  return std::sqrt(difference / size);
}

template <class Layout>
void expect_the_mean_kept(layer<Layout> const& l) {
  auto const b = halfstep_test::noise({1, l.e.rows}, 9);
  std::vector<float> bias(b.begin(), b.end());
  auto const wanted = l.outputs(bias, false);
  double const before = distance(l.outputs(bias, true), wanted);
  EXPECT_GT(before, 1e-4);
  halfstep::correct_bias<float>(l.lost(serial{}), bias);
  EXPECT_LT(distance(l.outputs(bias, true), wanted), 1e-7);
}

TEST(BiasCorrection, KeepsTheMeanOfTheOutputsForEveryLayout) {
  expect_the_mean_kept(layer<halfstep::int8_axis>({96, 203}));
  expect_the_mean_kept(layer<halfstep::int8_block<64>>({128, 192}));
  expect_the_mean_kept(layer<halfstep::int8_tensor>({96, 200}));
}

TEST(BiasCorrection, KeepsTheMeanOfTheOutputsOfRotatedLayers) { expect_the_mean_kept(layer<halfstep::int8_axis>({96, 256}, 64)); }

TEST(BiasCorrection, IsTheSameOnEveryExecutor) {
  layer<halfstep::int8_block<16>> const l({1024, 1040});
  auto const once = l.lost(serial{});
  for (int const count : {2, 5}) EXPECT_EQ(l.lost(halfstep::threads(count)), once);
}

TEST(BiasCorrection, LeavesTheBitsAloneWhereTheMeanIsZero) {
  layer<halfstep::int8_axis> l({32, 64});
  l.mean.assign(l.mean.size(), 0.0f);
  auto const b = halfstep_test::noise({1, 32}, 9);
  std::vector<float> bias(b.begin(), b.end());
  auto const before = bias;
  halfstep::correct_bias<float>(l.lost(serial{}), bias);
  EXPECT_EQ(bias, before);
}

TEST(BiasCorrection, RoundsToNearestInEveryType) {
  std::vector<double> const lost{0x1p-8 + 0x1p-20, 0x1p-9};
  std::vector<halfstep::bfloat16> narrow{halfstep::to_bfloat16(1.0f), halfstep::to_bfloat16(1.0f)};
  halfstep::correct_bias<halfstep::bfloat16>(lost, narrow);
  EXPECT_EQ(widen(narrow[0]), 1.0f + 0x1p-7f);
  EXPECT_EQ(widen(narrow[1]), 1.0f);
  std::vector<halfstep::float16> half{halfstep::to_float16(1.0f), halfstep::to_float16(1.0f)};
  halfstep::correct_bias<halfstep::float16>(lost, half);
  EXPECT_EQ(widen(half[0]), 1.0f + 0x1p-8f);
  EXPECT_EQ(widen(half[1]), 1.0f + 0x1p-9f);
  std::vector<double> wide{1.0, 1e-300};
  halfstep::correct_bias<double>(lost, wide);
  EXPECT_EQ(wide, (std::vector<double>{1.0 + 0x1p-8 + 0x1p-20, 0x1p-9}));
}

TEST(BiasCorrection, RefusesShapesThatDoNotGoTogether) {
  layer<halfstep::int8_axis> l({32, 64});
  std::vector<float> bias(31);
  EXPECT_THROW(halfstep::correct_bias<float>(l.lost(serial{}), bias), halfstep::shape_error);
  l.mean.pop_back();
  EXPECT_THROW(l.lost(serial{}), halfstep::shape_error);
}

}  // namespace
