// The residual seen through the second moments of a layer's inputs: the objective of error feedback.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <string>
#include <utility>
#include <vector>

#include <halfstep/core/buffer.hpp>
#include <halfstep/core/error.hpp>
#include <halfstep/core/matrix_view.hpp>
#include <halfstep/exec/concept.hpp>
#include <halfstep/kernel/for_each_index.hpp>
#include <halfstep/linalg/eigen.hpp>
#include <halfstep/linalg/gemm.hpp>
#include <halfstep/linalg/gram.hpp>

namespace halfstep {

namespace detail {

/// Returns <a, b>, in an order that does not depend on the executor.
template <class Executor>
double inner_product(Executor const& ex, host_view<float const> a, host_view<float const> b) {
  std::vector<double> rows(static_cast<std::size_t>(a.rows()));
  ex.for_each(a.rows(), [&](index_t i) {
    double sum = 0.0;
    for (index_t j = 0; j < a.columns(); ++j) sum += static_cast<double>(a(i, j)) * static_cast<double>(b(i, j));
    rows[static_cast<std::size_t>(i)] = sum;
  });
  double sum = 0.0;
  for (double const part : rows) sum += part;
  return sum;
}

/// Returns the root of `square`, which rounding or an indefinite H can make negative, and turns `out` into the gradient of it.
template <class Executor>
double normalize(Executor const& ex, double square, host_view<float> out) {
  double const loss = std::sqrt(std::max(square, 0.0));
  auto const factor = static_cast<float>(loss > 0.0 ? 1.0 / loss : 0.0);
  for_each_index(ex, out.extents().count(), [&](index_t i) { out.data()[i] *= factor; });
  return loss;
}

}  // namespace detail

/// loss = sqrt(tr(E H E^T)), the root of the summed squares of X E^T where H = X^T X; d loss / d E = E H / loss.
///
/// H [N, N] is symmetric and finite; it may be singular, and indefinite by rounding. Two products of M N^2 flops for either.
/// FP32 products in tiles of a constant size and FP64 sums: on one machine the same bits for every number of threads.
class hessian {
 public:
  /// Takes H [columns, columns], of which the lower triangle counts, and what share of it was taken off beside the diagonal.
  /// Throws shape_error, and value_error where an element of that is NaN or infinite.
  template <host_executor Executor>
  hessian(Executor const& ex, host_buffer<float> lower, index_t columns, double shrinkage = 0.0)
      : values_(std::move(lower)), columns_(columns), shrinkage_(shrinkage) {
    require_extents({1, values_.size()}, {1, columns * columns}, "halfstep: the size of a Hessian");
    mirror_lower(ex, values_.view({columns, columns}));
    std::vector<char> finite(static_cast<std::size_t>(columns));
    ex.for_each(columns,
                [&](index_t i) { finite[static_cast<std::size_t>(i)] = detail::eigen_map(view()).row(i).allFinite() ? 1 : 0; });
    for (index_t i = 0; i < columns; ++i)
      if (finite[static_cast<std::size_t>(i)] == 0)
        throw value_error(stated("hessian.not_finite", "halfstep: a Hessian with NaN or infinity in row {row}", {{"row", i}}));
  }

  index_t columns() const { return columns_; }
  host_view<float const> view() const { return values_.view({columns_, columns_}); }

  /// Returns what share of the elements beside its diagonal was taken off, because they came of few rows.
  double shrinkage() const { return shrinkage_; }

  /// Returns H_jj for every column.
  std::vector<float> diagonal() const {
    std::vector<float> all;
    for (index_t j = 0; j < columns_; ++j) all.push_back(values_[j * columns_ + j]);
    return all;
  }

  /// Returns sqrt(tr(E H E^T)), 0 where that is negative. Allocates a matrix like E. Throws shape_error.
  template <host_executor Executor>
  double loss(Executor const& ex, host_view<float const> residual) const {
    host_buffer<float> product(residual.extents().count());
    return gradient(ex, residual, product.view(residual.extents()));
  }

  /// Stores E H / loss, zeros where the loss is 0, and returns the loss. Throws shape_error.
  template <host_executor Executor>
  double gradient(Executor const& ex, host_view<float const> residual, host_view<float> out) const {
    gemm(ex, residual, operand::plain, view(), operand::plain, out);
    return detail::normalize(ex, detail::inner_product(ex, residual, out), out);
  }

 private:
  host_buffer<float> values_;
  index_t columns_;
  double shrinkage_;
};

}  // namespace halfstep
