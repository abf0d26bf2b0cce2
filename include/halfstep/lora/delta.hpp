// What adapters do to one tensor, in memory, and done to its rows.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <functional>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include <halfstep/core/arithmetic.hpp>
#include <halfstep/core/buffer.hpp>
#include <halfstep/core/extents.hpp>
#include <halfstep/core/matrix_view.hpp>
#include <halfstep/lora/adapter_layer.hpp>
#include <halfstep/lora/delta_part.hpp>
#include <halfstep/lora/hadamard_delta.hpp>
#include <halfstep/lora/kronecker_delta.hpp>
#include <halfstep/lora/low_rank_sum.hpp>

namespace halfstep {

/// Stores rows of a tensor, as they are before anything is merged, from the view's `first_row()` on.
using weight_rows = std::function<void(host_view<float> rows)>;

namespace detail {

/// What some parts without magnitudes add.
class additive_delta {
 public:
  /// Reads what the methods need; differences stay in their files. Throws value_error at NaN or infinity, and io_error.
  explicit additive_delta(std::span<delta_part const> parts) {
    std::vector<delta_part> pairs;
    for (auto const& part : parts) {
      if (part.difference != nullptr) differences_.push_back(part);
      if (part.layer == nullptr) continue;
      if (part.layer->method == adapter_method::low_rank) pairs.push_back(part);
      if (part.layer->method == adapter_method::hadamard) hadamards_.emplace_back(part);
      if (part.layer->method == adapter_method::kronecker) kroneckers_.emplace_back(part);
    }
    if (!pairs.empty()) pairs_ = low_rank_sum(pairs);
  }

  void add_to(host_view<float> rows) const {
    pairs_.add_to(rows);
    for (auto const& delta : hadamards_) delta.add_to(rows);
    for (auto const& delta : kroneckers_) delta.add_to(rows);
    for (auto const& part : differences_)
      for_each_run(part.rows, rows.first_row(), rows.rows(), [&](index_t from, index_t to, index_t count) {
        auto const into = rows.rows(to - rows.first_row(), count);
        host_buffer<float> more(into.extents().count());
        read_adapter(*part.from, *part.difference, from * rows.columns(), {more.data(), static_cast<std::size_t>(more.size())});
        auto const factor = static_cast<float>(part.factor);
        for (index_t i = 0; i < more.size(); ++i) into.data()[i] = multiply_add(factor, more[i], into.data()[i]);
      });
  }

 private:
  low_rank_sum pairs_;
  std::vector<hadamard_delta> hadamards_;
  std::vector<kronecker_delta> kroneckers_;
  std::vector<delta_part> differences_;
};

/// DoRA: rows or columns that take a direction from an adapter and their length from it too (arXiv:2402.09353).
class magnitude_delta {
 public:
  explicit magnitude_delta(delta_part const& part)
      : rows_(part.rows),
        strength_(part.strength),
        axis_(part.axis),
        extents_{part.tensor_rows, static_cast<index_t>(part.layer->columns())},
        direction_({&part, 1}),
        magnitudes_(static_cast<index_t>(part.magnitude->count())) {
    read_adapter(*part.from, *part.magnitude, 0, {magnitudes_.data(), static_cast<std::size_t>(magnitudes_.size())});
  }

  /// Measures the columns of v, which only the whole tensor tells: `weight` stores rows of w.
  void measure_columns(weight_rows const& weight) {
    constexpr index_t most = 64;
    index_t const kernel = extents_.columns / magnitudes_.size();
    host_buffer<float> memory(most * extents_.columns);
    scales_.assign(static_cast<std::size_t>(magnitudes_.size()), 0.0);
    for (index_t first = 0; first < extents_.rows; first += most) {
      index_t const count = std::min(most, extents_.rows - first);
      host_view<float> const v(memory.data(), {count, extents_.columns}, first);
      weight(v);
      direction_.add_to(v);
      for_each_run(rows_, first, count, [&](index_t, index_t to, index_t some) {
        for (index_t i = 0; i < some; ++i)
          for (index_t j = 0; j < extents_.columns; ++j) {
            auto const x = static_cast<double>(v(to - first + i, j));
            scales_[static_cast<std::size_t>(j / kernel)] += x * x;
          }
      });
    }
    for (std::size_t k = 0; k < scales_.size(); ++k) scales_[k] = scale(magnitudes_[static_cast<index_t>(k)], scales_[k]);
  }

  /// Makes each row or column w + strength (m v / |v| - w), |v| summed in FP64; a v of zeros stays zero.
  void apply_to(host_view<float> rows) const {
    host_buffer<float> moved(rows.extents().count());
    std::copy_n(rows.data(), moved.size(), moved.data());
    direction_.add_to({moved.data(), rows.extents(), rows.first_row()});
    index_t const kernel = axis_ == magnitude_axis::columns ? extents_.columns / magnitudes_.size() : 1;
    for_each_run(rows_, rows.first_row(), rows.rows(), [&](index_t from, index_t to, index_t count) {
      for (index_t i = 0; i < count; ++i) {
        float* const w = rows.row(to - rows.first_row() + i);
        float const* const v = moved.data() + (w - rows.data());
        double const of_row = axis_ == magnitude_axis::rows ? scale(magnitudes_[from + i], square(v)) : 0.0;
        for (index_t j = 0; j < extents_.columns; ++j) {
          double const m = axis_ == magnitude_axis::rows ? of_row : scales_[static_cast<std::size_t>(j / kernel)];
          double const old = static_cast<double>(w[j]);
          w[j] = static_cast<float>(old + strength_ * (m * static_cast<double>(v[j]) - old));
        }
      }
    });
  }

 private:
  double square(float const* v) const {
    double sum = 0.0;
    for (index_t j = 0; j < extents_.columns; ++j) sum += static_cast<double>(v[j]) * static_cast<double>(v[j]);
    return sum;
  }

  static double scale(float magnitude, double square) {
    return square > 0.0 ? static_cast<double>(magnitude) / std::sqrt(square) : 0.0;
  }

  std::vector<row_run> rows_;
  double strength_;
  magnitude_axis axis_;
  extents2 extents_;  // of the tensor
  additive_delta direction_;
  host_buffer<float> magnitudes_;
  std::vector<double> scales_;  // of columns, once they are measured
};

}  // namespace detail

/// What adapters do to a tensor. Low-rank pairs and other factors are in memory; differences stay in their files.
class weight_delta {
 public:
  /// Reads what `parts`, which all fit one tensor, need; of magnitudes of columns the tensor too, by `weight`. Throws value_error
  /// at NaN or infinity, and io_error.
  explicit weight_delta(std::vector<delta_part> const& parts, weight_rows const& weight = {}) {
    auto first = parts.begin();
    for (auto part = parts.begin(); part != parts.end(); ++part) {
      if (part->magnitude == nullptr) continue;
      step made{detail::additive_delta({first, part}), detail::magnitude_delta(*part)};
      if (part->axis == magnitude_axis::columns)
        made.magnitudes->measure_columns([&](host_view<float> rows) {
          weight(rows);
          add_to(rows);
          made.sum.add_to(rows);
        });
      steps_.push_back(std::move(made));
      first = part + 1;
    }
    if (first != parts.end()) steps_.push_back({detail::additive_delta({first, parts.end()}), std::nullopt});
  }

  /// Returns whether what is added depends on the weight, as it does with DoRA's magnitudes.
  bool depends_on_weight() const {
    return std::any_of(steps_.begin(), steps_.end(), [](step const& s) { return s.magnitudes.has_value(); });
  }

  /// Merges into `rows`, which are those of the tensor from its `first_row()` on and hold its numbers.
  ///
  /// The pairs' product first, summed in FP32, then other products and differences in the order of the files; parts with
  /// magnitudes take what was made before them. On one machine the same bits however a tensor is cut into rows. Throws io_error,
  /// and value_error for NaN or infinity in a difference.
  void add_to(host_view<float> rows) const {
    for (auto const& step : steps_) {
      step.sum.add_to(rows);
      if (step.magnitudes) step.magnitudes->apply_to(rows);
    }
  }

 private:
  struct step {
    detail::additive_delta sum;
    std::optional<detail::magnitude_delta> magnitudes;
  };

  std::vector<step> steps_;
};

}  // namespace halfstep
