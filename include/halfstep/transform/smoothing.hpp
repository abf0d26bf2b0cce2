// Factors that move outliers from a layer's inputs to its weight: SmoothQuant.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <halfstep/core/error.hpp>
#include <halfstep/core/extents.hpp>
#include <halfstep/core/matrix_view.hpp>
#include <halfstep/exec/concept.hpp>

namespace halfstep {

/// Returns s_j = input_max_j^alpha / weight_max_j^(1 - alpha), at least 1e-5; 1 where the input is always 0 and where the formula
/// gives no finite number.
///
/// The largest magnitudes of every column of the inputs and of the weight; alpha from 0, which evens out the weight's columns,
/// to 1, which evens out the inputs'. Computed in FP64, rounded once. Throws shape_error where the lengths differ. Source:
/// G. Xiao et al., "SmoothQuant", ICML 2023.
inline std::vector<float> smoothing_factors(std::span<float const> input_max, std::span<float const> weight_max, double alpha) {
  require_extents({1, static_cast<index_t>(weight_max.size())}, {1, static_cast<index_t>(input_max.size())},
                  "halfstep: the columns of the weight in smoothing_factors");
  std::vector<float> factors;
  for (std::size_t j = 0; j < input_max.size(); ++j) {
    double const from_input = std::pow(static_cast<double>(input_max[j]), alpha);
    double const from_weight = std::pow(static_cast<double>(weight_max[j]), 1.0 - alpha);
    auto const factor = static_cast<float>(from_input / from_weight);
    bool const usable = input_max[j] > 0.0f && std::isfinite(input_max[j]) && std::isfinite(factor);
    factors.push_back(usable ? std::max(factor, 1e-5f) : 1.0f);
  }
  return factors;
}

/// Multiplies every column of a weight by its factor and divides the inputs by it.
///
/// Holds the factors, one for each column: a file with such a weight must hold them too. One product or quotient in FP32 an
/// element: the same bits on every executor.
class smoothing {
 public:
  static constexpr std::string_view name = "smoothquant";

  smoothing() = default;

  /// Takes the factors of N columns. Throws value_error for one that is not positive and finite.
  explicit smoothing(std::vector<float> factors) : factors_(std::move(factors)) {
    for (std::size_t j = 0; j < factors_.size(); ++j)
      if (!(factors_[j] > 0.0f && std::isfinite(factors_[j])))
        throw value_error(stated("basis.no_factor",
                                 "halfstep: the smoothing factor of column {column} is {value}; a factor is positive and finite",
                                 {{"column", j}, {"value", factors_[j]}}));
  }

  std::span<float const> factors() const { return factors_; }

  bool fits(extents2 e) const { return e.columns == static_cast<index_t>(factors_.size()); }

  template <host_executor Executor>
  void apply(Executor const& ex, host_view<float> w) const {
    for_each_row(ex, w, [](float x, float factor) { return x * factor; });
  }

  template <host_executor Executor>
  void invert(Executor const& ex, host_view<float> w) const {
    for_each_row(ex, w, [](float x, float factor) { return x / factor; });
  }

  template <host_executor Executor>
  void apply_to_input(Executor const& ex, host_view<float> x) const {
    invert(ex, x);
  }

  /// Changes the columns of inputs from `first` on. Precondition: there are as many factors.
  template <host_executor Executor>
  void apply_to_input(Executor const& ex, index_t first, host_view<float> x) const {
    float const* const factor = factors_.data() + first;
    ex.for_each(x.rows(), [&](index_t row) {
      for (index_t j = 0; j < x.columns(); ++j) x(row, j) /= factor[j];
    });
  }

  /// Returns how many neighbouring columns of an input go together: each is for itself.
  static constexpr index_t column_group() { return 1; }

  void apply_to_maxima(std::span<float> maxima) const {
    for (std::size_t j = 0; j < maxima.size(); ++j) maxima[j] /= factors_[j];
  }

  void apply_to_squares(std::span<float> squares) const {
    for (std::size_t j = 0; j < squares.size(); ++j) squares[j] /= factors_[j] * factors_[j];
  }

  friend bool operator==(smoothing const&, smoothing const&) = default;

 private:
  template <class Executor, class F>
  void for_each_row(Executor const& ex, host_view<float> w, F const& f) const {
    require_extents({1, w.columns()}, {1, static_cast<index_t>(factors_.size())}, "halfstep: the columns of a smoothed matrix");
    ex.for_each(w.rows(), [&](index_t row) {
      float* const x = w.row(row);
      for (std::size_t j = 0; j < factors_.size(); ++j) x[j] = f(x[j], factors_[j]);
    });
  }

  std::vector<float> factors_;
};

}  // namespace halfstep
