// Few rows: their Hessian is drawn to its diagonal by the share that its elements' variances ask for, their mean towards zero.
#include <halfstep/calibration/files.hpp>
#include <halfstep/calibration/shrinkage.hpp>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <halfstep/exec/threads.hpp>

#include "../support/files.hpp"
#include "../support/weights.hpp"
#include "made_file.hpp"

namespace {

using halfstep::calibration_files;
using halfstep::dtype;
using halfstep::host_view;
using halfstep::index_t;
using halfstep::serial;
using halfstep_test::made_file;

constexpr index_t columns = 24;

struct Shrinkage : testing::Test {
  halfstep_test::temporary_folder folder;

  calibration_files open(std::vector<float> const& rows) const {
    return calibration_files(
        {made_file().add("p.input", dtype::f32, {rows.size() / columns, columns}, rows).save(folder.path("c.safetensors"))});
  }
};

/// Rows of correlated columns of different sizes, with a mean.
std::vector<float> rows_of(index_t n) {
  auto const x = halfstep_test::noise({n, columns}, 21);
  std::vector<float> rows;
  for (index_t i = 0; i < n; ++i) {
    float before = 0.0f;
    for (index_t j = 0; j < columns; ++j) {
      before = 0.6f * before + x[i * columns + j];
      rows.push_back(before * static_cast<float>(1 + j % 3) + 0.02f);
    }
  }
  return rows;
}

/// sum_{i != j} Var(C_ij) / sum_{i != j} C_ij^2 element by element; at least what it is for Gaussian inputs, at most 1.
double expected_share(std::vector<float> const& rows, std::vector<float> const& center) {
  auto const n = static_cast<index_t>(rows.size()) / columns;
  auto const count = static_cast<double>(n);
  auto const at = [&](index_t k, index_t j) {
    double const c = center.empty() ? 0.0 : static_cast<double>(center[static_cast<std::size_t>(j)]);
    return static_cast<double>(rows[static_cast<std::size_t>(k * columns + j)]) - c;
  };
  std::vector<double> square(columns);
  for (index_t j = 0; j < columns; ++j)
    for (index_t k = 0; k < n; ++k) square[static_cast<std::size_t>(j)] += at(k, j) * at(k, j) / count;
  double variance = 0.0, energy = 0.0, gaussian = 0.0;
  double const free_rows = center.empty() ? count : count - 1.0;
  for (index_t i = 0; i < columns; ++i)
    for (index_t j = 0; j < columns; ++j) {
      if (i == j) continue;
      double const scale = std::sqrt(square[static_cast<std::size_t>(i)] * square[static_cast<std::size_t>(j)]);
      double mean = 0.0, spread = 0.0;
      for (index_t k = 0; k < n; ++k) mean += at(k, i) * at(k, j) / scale / count;
      for (index_t k = 0; k < n; ++k) spread += std::pow(at(k, i) * at(k, j) / scale - mean, 2) / count;
      variance += spread / free_rows;
      energy += mean * mean;
      gaussian += (1.0 + mean * mean) / free_rows;
    }
  return std::clamp(variance / energy, std::min(gaussian / energy, 1.0), 1.0);
}

TEST_F(Shrinkage, IsWhatTheVariancesOfTheElementsAskFor) {
  for (index_t const n : {32, 40, 47}) {
    auto const rows = rows_of(n);
    auto const files = open(rows);
    auto const inputs = files.inputs_of("p", columns);
    std::vector<float> mean(columns);
    for (std::size_t i = 0; i < rows.size(); ++i) mean[i % columns] += rows[i] / static_cast<float>(n);
    for (auto const& center : {std::vector<float>{}, mean}) {
      auto const h = inputs.moments(serial{}, {}, center);
      double const share = expected_share(rows, center);
      EXPECT_NEAR(h->shrinkage(), share, 1e-3) << n;
      EXPECT_GT(share, 0.0);
      for (index_t i = 0; i < columns; ++i)
        for (index_t j = 0; j <= i; ++j) {
          double sum = 0.0;
          auto const c = [&](index_t k) {
            return center.empty() ? 0.0 : static_cast<double>(center[static_cast<std::size_t>(k)]);
          };
          for (index_t k = 0; k < n; ++k)
            sum += (static_cast<double>(rows[static_cast<std::size_t>(k * columns + i)]) - c(i)) *
                   (static_cast<double>(rows[static_cast<std::size_t>(k * columns + j)]) - c(j)) / static_cast<double>(n);
          EXPECT_NEAR(h->view()(i, j), i == j ? sum : (1.0 - share) * sum, 1e-5) << n << ": " << i << ", " << j;
        }
    }
  }
}

TEST_F(Shrinkage, LeavesNothingOfRowsThatSayNothing) {
  for (index_t const n : {2, 10, 31, 32}) {
    auto rows = rows_of(n);
    for (float& x : rows) x += 50.0f;
    auto const files = open(rows);
    auto const inputs = files.inputs_of("p", columns);
    bool const says_nothing = n < 32;
    EXPECT_EQ(inputs.moments(serial{}, {})->shrinkage() == 1.0, says_nothing) << n;
    auto const mean = inputs.statistics(serial{}, {}).channel_mean;
    EXPECT_EQ(std::count(mean.begin(), mean.end(), 0.0f) == columns, says_nothing) << n;
  }
}

TEST_F(Shrinkage, LeavesOneRowAndTwoAboutTheirMeanNothingButTheDiagonal) {
  auto const one = rows_of(1), two = rows_of(2);
  auto const first = open(one);
  EXPECT_EQ(first.inputs_of("p", columns).moments(serial{}, {})->shrinkage(), 1.0);
  auto const second = open(two);
  std::vector<float> mean(columns);
  for (std::size_t j = 0; j < columns; ++j) mean[j] = 0.5f * (two[j] + two[j + columns]);
  EXPECT_EQ(second.inputs_of("p", columns).moments(serial{}, {}, mean)->shrinkage(), 1.0);
}

TEST_F(Shrinkage, IsNoneWhereRowsAreTwiceTheColumnsAndMore) {
  for (index_t const n : {2 * columns - 1, 2 * columns}) {
    auto const files = open(rows_of(n));
    EXPECT_EQ(files.inputs_of("p", columns).moments(serial{}, {})->shrinkage() == 0.0, n == 2 * columns);
  }
}

TEST_F(Shrinkage, IsTheSameForEveryNumberOfThreads) {
  auto const files = open(rows_of(33));
  auto const inputs = files.inputs_of("p", columns);
  EXPECT_EQ(inputs.moments(serial{}, {})->shrinkage(), inputs.moments(halfstep::threads(5), {})->shrinkage());
}

TEST_F(Shrinkage, OfAStoredHessianIsThatOfGaussianInputs) {
  std::vector<float> hessian(columns * columns, 5.0f);  // C_ij = 0.5
  for (std::size_t j = 0; j < columns; ++j) hessian[j * columns + j] = 10.0f;
  calibration_files const files({made_file()
                                     .add("p.hessian", dtype::f32, {columns, columns}, hessian)
                                     .add<std::int64_t>("p.count", dtype::i64, {}, {40})
                                     .save(folder.path("h.safetensors"))});
  auto const h = files.inputs_of("p", columns).moments(serial{}, {});
  EXPECT_NEAR(h->shrinkage(), 1.25 / 40 / 0.25, 1e-9);
  EXPECT_NEAR(h->view()(3, 1), 0.875 * 0.125, 1e-6);
  EXPECT_NEAR(h->view()(3, 3), 0.25, 1e-6);
}

TEST_F(Shrinkage, ShortensAMeanByWhatIsProbablyChance) {
  std::vector<float> const mean{3.0f, 4.0f}, squares{9.0f + 2.0f, 16.0f + 3.0f};
  EXPECT_NEAR(halfstep::detail::mean_factor(mean, squares, 5), 1.0 - 2.5 * (5.0 * 1.25) / (5.0 * 25.0), 1e-6);
  EXPECT_EQ(halfstep::detail::mean_factor(mean, squares, 1), 0.0);
  EXPECT_EQ(halfstep::detail::mean_factor(mean, std::vector<float>{900.0f, 900.0f}, 3), 0.0);
  auto const rows = rows_of(36);
  auto const files = open(rows);
  auto const s = files.inputs_of("p", columns).statistics(serial{}, {});
  std::vector<float> plain(columns);
  for (std::size_t i = 0; i < rows.size(); ++i) plain[i % columns] += rows[i] / 36.0f;
  double const factor = halfstep::detail::mean_factor(plain, s.channel_sq, 36);
  for (std::size_t j = 0; j < columns; ++j) EXPECT_NEAR(s.channel_mean[j], factor * static_cast<double>(plain[j]), 1e-6);
}

}  // namespace
