// The residual seen through a diagonal and a few directions, such as those that a LoRA reads.
#pragma once

#include <cmath>
#include <cstddef>
#include <string>
#include <utility>
#include <vector>

#include <halfstep/core/buffer.hpp>
#include <halfstep/core/error.hpp>
#include <halfstep/core/matrix_view.hpp>
#include <halfstep/exec/concept.hpp>
#include <halfstep/linalg/gemm.hpp>
#include <halfstep/objective/hessian.hpp>

namespace halfstep {

/// loss = sqrt(tr(E H E^T)) with H = diag(lambda) + V V^T, lambda [N] not negative and V [N, k]; d loss / d E = E H / loss.
///
/// 2 M N k flops for the loss, twice that for the gradient. On one machine the same bits for every number of threads.
class low_rank_hessian {
 public:
  /// Takes `v` [columns, rank] row by row. Throws shape_error, and value_error where a number is NaN, infinite, or a negative
  /// lambda.
  low_rank_hessian(std::vector<float> lambda, host_buffer<float> v, index_t rank)
      : lambda_(std::move(lambda)), v_(std::move(v)), rank_(rank) {
    require_extents({1, v_.size()}, {1, columns() * rank}, "halfstep: the directions of a low-rank Hessian");
    for (float const x : lambda_)
      if (!std::isfinite(x) || x < 0.0f)
        throw value_error(
            stated("hessian.negative_diagonal", "halfstep: a Hessian with the diagonal element {value}", {{"value", x}}));
    for (float const x : v_)
      if (!std::isfinite(x))
        throw value_error(stated("hessian.not_finite", "halfstep: a Hessian with NaN or infinity in its directions"));
  }

  index_t columns() const { return static_cast<index_t>(lambda_.size()); }
  index_t rank() const { return rank_; }
  std::vector<float> const& lambda() const { return lambda_; }
  host_view<float const> v() const { return v_.view({columns(), rank_}); }

  /// Returns H_jj for every column.
  std::vector<float> diagonal() const {
    std::vector<float> all;
    for (index_t j = 0; j < columns(); ++j) {
      auto sum = static_cast<double>(lambda_[static_cast<std::size_t>(j)]);
      for (index_t a = 0; a < rank_; ++a) sum += static_cast<double>(v()(j, a)) * static_cast<double>(v()(j, a));
      all.push_back(static_cast<float>(sum));
    }
    return all;
  }

  /// Returns sqrt(tr(E H E^T)). Allocates a matrix like E. Throws shape_error.
  template <host_executor Executor>
  double loss(Executor const& ex, host_view<float const> residual) const {
    host_buffer<float> product(residual.extents().count());
    return gradient(ex, residual, product.view(residual.extents()));
  }

  /// Stores E H / loss, zeros where the loss is 0, and returns the loss. Throws shape_error.
  template <host_executor Executor>
  double gradient(Executor const& ex, host_view<float const> residual, host_view<float> out) const {
    extents2 const e{residual.rows(), rank_};
    host_buffer<float> seen(e.count());
    gemm(ex, residual, v(), seen.view(e));
    gemm(ex, seen.view(e), operand::plain, v(), operand::transposed, out);
    ex.for_each(e.rows, [&](index_t i) {
      for (index_t j = 0; j < columns(); ++j) out(i, j) += lambda_[static_cast<std::size_t>(j)] * residual(i, j);
    });
    return detail::normalize(ex, detail::inner_product(ex, residual, out), out);
  }

 private:
  std::vector<float> lambda_;
  host_buffer<float> v_;
  index_t rank_;
};

}  // namespace halfstep
