// Searched scales: never worse than they promise, and the best there are.
#include <algorithm>
#include <cmath>
#include <limits>
#include <type_traits>
#include <vector>

#include <gtest/gtest.h>

#include <halfstep/exec/serial.hpp>
#include <halfstep/exec/threads.hpp>
#include <halfstep/kernel/column_energy.hpp>
#include <halfstep/layout/int8_axis.hpp>
#include <halfstep/layout/int8_block.hpp>
#include <halfstep/layout/int8_tensor.hpp>
#include <halfstep/solver/scale_search.hpp>
#include <halfstep/tensor/quantizer.hpp>

#include "../support/weights.hpp"

namespace {

using halfstep::extents2;
using halfstep::geometry_of;
using halfstep::host_buffer;
using halfstep::host_view;
using halfstep::index_t;
using halfstep::scale_criterion;
using halfstep::scale_search;
using halfstep::serial;
using halfstep::threads;
using halfstep_test::noise;

/// Weights with tails: cubes of noise, and an outlier here and there.
host_buffer<float> tailed(extents2 e, std::uint64_t seed) {
  auto w = noise(e, seed);
  for (index_t i = 0; i < w.size(); ++i) w[i] = w[i] * w[i] * w[i] * (i % 997 == 5 ? 400.0f : 100.0f);
  return w;
}

/// Returns J of one group in FP64, straight from its formula.
template <class Layout>
double loss_of(host_view<float const> w, std::vector<float> const& weights, index_t group, double scale) {
  double sum = 0.0;
  for (index_t i = 0; i < w.rows(); ++i)
    for (index_t j = 0; j < w.columns(); ++j) {
      if (Layout::group_of(w.extents(), i, j) != group) continue;
      double const x = static_cast<double>(w(i, j));
      double const off = x - scale * std::clamp(std::nearbyint(x / scale), -127.0, 127.0);
      sum += static_cast<double>(weights[static_cast<std::size_t>(j)]) * off * off;
    }
  return sum;
}

template <class Layout>
class ScaleSearch : public testing::Test {
 protected:
  /// Returns the scales of the largest magnitudes, and the searched ones.
  struct scales {
    std::vector<float> fitted, searched;
  };

  template <class Executor>
  static scales search(Executor const& ex, scale_criterion how, host_view<float const> w, std::vector<float> const& weights) {
    auto const q = halfstep::quantizer<Layout>()(ex, w);
    auto const groups = q.groups();
    scales s;
    s.fitted.assign(groups.data(), groups.data() + groups.extents().count());
    s.searched = s.fitted;
    scale_search<halfstep::symmetric_grid<127>> const searching(how);
    searching(ex, w, geometry_of<Layout>(w.extents()), weights, host_view<float>(s.searched.data(), groups.extents()));
    return s;
  }
};

using layouts = testing::Types<halfstep::int8_block<32>, halfstep::int8_axis, halfstep::int8_tensor>;
TYPED_TEST_SUITE(ScaleSearch, layouts);

TYPED_TEST(ScaleSearch, BoundedLeavesNoWeightMoreThanHalfAStepOff) {
  extents2 const e{96, 160};
  for (std::uint64_t seed = 1; seed <= 3; ++seed) {
    auto const w = tailed(e, seed);
    host_view<float const> const view = w.view(e);
    auto const s = this->search(threads(2), scale_criterion::bounded, view, halfstep::column_energy(serial{}, view));
    EXPECT_NE(s.fitted, s.searched);
    for (index_t i = 0; i < e.rows; ++i)
      for (index_t j = 0; j < e.columns; ++j) {
        double const scale = static_cast<double>(s.searched[static_cast<std::size_t>(TypeParam::group_of(e, i, j))]);
        double const x = static_cast<double>(view(i, j));
        ASSERT_LE(std::fabs(x - scale * std::clamp(std::nearbyint(x / scale), -127.0, 127.0)), scale * (0.5 + 2e-5));
      }
  }
}

TYPED_TEST(ScaleSearch, BoundedFindsTheBestOfItsScales) {
  extents2 const e{64, 96};
  auto const w = tailed(e, 4);
  host_view<float const> const view = w.view(e);
  auto const weights = halfstep::column_energy(serial{}, view);
  auto const s = this->search(serial{}, scale_criterion::bounded, view, weights);
  for (std::size_t group = 0; group < s.fitted.size(); ++group) {
    double least = std::numeric_limits<double>::infinity();
    for (int m = -7; m <= 100; ++m)
      least = std::min(least, loss_of<TypeParam>(view, weights, static_cast<index_t>(group),
                                                 static_cast<double>(s.fitted[group]) * (1.0 + 0.0005 * m)));
    double const found = loss_of<TypeParam>(view, weights, static_cast<index_t>(group), static_cast<double>(s.searched[group]));
    EXPECT_LE(found, least * (1.0 + 1e-5)) << group;
  }
}

TYPED_TEST(ScaleSearch, MseIsNeverWorseThanBoundedOrTheLargestMagnitude) {
  extents2 const e{64, 96};
  auto const w = tailed(e, 5);
  host_view<float const> const view = w.view(e);
  std::vector<float> const flat(static_cast<std::size_t>(e.columns), 1.0f);
  auto const s = this->search(serial{}, scale_criterion::mse, view, flat);
  double gained = 0.0;
  for (std::size_t group = 0; group < s.fitted.size(); ++group) {
    auto const loss = [&](float scale) {
      return loss_of<TypeParam>(view, flat, static_cast<index_t>(group), static_cast<double>(scale));
    };
    EXPECT_LE(loss(s.searched[group]), loss(s.fitted[group]) * (1.0 + 1e-5));
    gained += loss(s.fitted[group]) - loss(s.searched[group]);
  }
  EXPECT_GT(gained, 0.0);
}

TYPED_TEST(ScaleSearch, GivesTheSameScalesForEveryNumberOfThreads) {
  extents2 const e{320, 416};
  auto const w = tailed(e, 6);
  auto const weights = halfstep::column_energy(serial{}, host_view<float const>(w.view(e)));
  EXPECT_EQ(weights, halfstep::column_energy(threads(3), host_view<float const>(w.view(e))));
  for (auto const how : {scale_criterion::bounded, scale_criterion::mse})
    EXPECT_EQ(this->search(serial{}, how, w.view(e), weights).searched,
              this->search(threads(5), how, w.view(e), weights).searched);
}

TYPED_TEST(ScaleSearch, KeepsScalesThatAreNotThoseOfTheLargestMagnitudes) {
  extents2 const e{32, 32};
  host_buffer<float> w(e.count());
  std::fill(w.begin(), w.end(), 0.0f);
  std::vector<float> const flat(32, 1.0f);
  for (auto const how : {scale_criterion::absmax, scale_criterion::bounded, scale_criterion::mse}) {
    auto const zeros = this->search(serial{}, how, w.view(e), flat);
    EXPECT_EQ(zeros.fitted, zeros.searched);
  }
  auto const some = noise(e, 2);
  auto const same = this->search(serial{}, scale_criterion::absmax, some.view(e), flat);
  EXPECT_EQ(same.fitted, same.searched);
}

TEST(ScaleSearchMse, BeatsEveryScaleOfItsCoarseWalkOnTinyGroups) {
  extents2 const e{1, 12};
  std::vector<float> const flat(12, 1.0f);
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    auto const w = noise(e, seed);
    host_view<float const> const view = w.view(e);
    auto const q = halfstep::quantizer<halfstep::int8_axis>()(serial{}, view);
    auto const fitted = static_cast<double>(q.groups().data()[0]);
    auto searched = q.groups().data()[0];
    scale_search<halfstep::symmetric_grid<127>> const searching(scale_criterion::mse);
    searching(serial{}, view, geometry_of<halfstep::int8_axis>(e), flat, host_view<float>(&searched, {1, 1}));
    double const found = loss_of<halfstep::int8_axis>(view, flat, 0, static_cast<double>(searched));
    for (int i = 0; i < 30; ++i)
      EXPECT_LE(found, loss_of<halfstep::int8_axis>(view, flat, 0, fitted * (1.0 - 0.01 * i)) * (1.0 + 1e-4)) << seed << " " << i;
  }
}

TEST(ScaleSearchMse, LetsColumnsThatCountLittleClip) {
  extents2 const e{1, 512};
  auto w = noise(e, 8);
  w[100] = 3.0f;
  std::vector<float> weights(512, 1.0f);
  weights[100] = 1e-6f;
  float scale = 3.0f / 127.0f;
  scale_search<halfstep::symmetric_grid<127>> const searching(scale_criterion::mse);
  searching(serial{}, w.view(e), geometry_of<halfstep::int8_axis>(e), weights, host_view<float>(&scale, {1, 1}));
  EXPECT_LT(scale, 0.5f * 3.0f / 127.0f);
}

TEST(ScaleSearchChecks, ShapesAndTheNumberOfWeights) {
  extents2 const e{4, 8};
  auto const w = noise(e);
  host_buffer<float> scales(4);
  std::vector<float> const few(7, 1.0f);
  scale_search<halfstep::symmetric_grid<127>> const searching(scale_criterion::bounded);
  EXPECT_THROW(searching(serial{}, w.view(e), geometry_of<halfstep::int8_axis>(e), few, scales.view({4, 1})),
               halfstep::shape_error);
  EXPECT_THROW(searching(serial{}, w.view(e), geometry_of<halfstep::int8_axis>({4, 9}), few, scales.view({4, 1})),
               halfstep::shape_error);
}

}  // namespace
