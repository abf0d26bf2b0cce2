// Rotations of all columns of a weight by a Hadamard matrix, whatever their number.
#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include <halfstep/core/error.hpp>
#include <halfstep/core/extents.hpp>
#include <halfstep/core/matrix_view.hpp>
#include <halfstep/exec/concept.hpp>
#include <halfstep/kernel/hadamard.hpp>
#include <halfstep/kernel/paley.hpp>

namespace halfstep {

/// Rotates all of a weight's columns by H_K (x) H_{2^m} / sqrt(K 2^m), with one of Paley's matrices for K.
///
/// Takes columns of 2^m, 12 2^m, 20 2^m, 28 2^m and more: see `hadamard_factor`. Orthonormal; an input goes through the same
/// rotation. FP32, K + m adds an element: the same bits on every executor.
class kronecker_hadamard {
 public:
  static constexpr std::string_view name = "hadamard";

  kronecker_hadamard() = default;

  /// Throws shape_error where no Hadamard matrix of that order is known.
  explicit kronecker_hadamard(index_t columns) : columns_(columns) {
    auto const factor = hadamard_factor(columns);
    if (!factor)
      throw shape_error(
          stated("shape.no_hadamard", "halfstep: no Hadamard matrix for {columns} columns", {{"columns", columns}}));
    factor_ = *factor;
    if (factor_ > 1) matrix_ = paley_matrix(factor_);
  }

  /// Returns K.
  index_t factor() const { return factor_; }

  bool fits(extents2 e) const { return e.columns == columns_; }

  template <host_executor Executor>
  void apply(Executor const& ex, host_view<float> w) const {
    rotate(ex, w, [this](index_t from, index_t to) { return matrix_[static_cast<std::size_t>(from * factor_ + to)]; });
  }

  template <host_executor Executor>
  void invert(Executor const& ex, host_view<float> w) const {
    rotate(ex, w, [this](index_t from, index_t to) { return matrix_[static_cast<std::size_t>(to * factor_ + from)]; });
  }

  template <host_executor Executor>
  void apply_to_input(Executor const& ex, host_view<float> x) const {
    apply(ex, x);
  }

 private:
  /// Adds and subtracts whole runs of 2^m neighbours, which are rotated before.
  template <class Executor, class Sign>
  void rotate(Executor const& ex, host_view<float> w, Sign const& sign) const {
    require_extents({1, w.columns()}, {1, columns_}, "halfstep: the columns of a rotated matrix");
    index_t const run = columns_ / factor_;
    hadamard(ex, w, static_cast<int>(run));
    if (factor_ == 1) return;
    float const scale = static_cast<float>(1.0 / std::sqrt(static_cast<double>(factor_)));
    ex.for_each(w.rows(), [&](index_t row) {
      float* const x = w.row(row);
      std::vector<float> const before(x, x + columns_);
      for (index_t to = 0; to < factor_; ++to) {
        float* const y = x + to * run;
        for (index_t k = 0; k < run; ++k) y[k] = 0.0f;
        for (index_t from = 0; from < factor_; ++from) {
          float const* const z = before.data() + from * run;
          if (sign(from, to) > 0)
            for (index_t k = 0; k < run; ++k) y[k] += z[k];
          else
            for (index_t k = 0; k < run; ++k) y[k] -= z[k];
        }
        for (index_t k = 0; k < run; ++k) y[k] *= scale;
      }
    });
  }

  index_t columns_ = 1;
  index_t factor_ = 1;
  std::vector<std::int8_t> matrix_;
};

}  // namespace halfstep
