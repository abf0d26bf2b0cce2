// The factor of a damped low-rank Hessian that error feedback needs, in the order in which columns are rounded.
#pragma once

#include <cstddef>
#include <vector>

#include <halfstep/core/buffer.hpp>
#include <halfstep/core/matrix_view.hpp>
#include <halfstep/objective/hessian_factor.hpp>
#include <halfstep/objective/low_rank_hessian.hpp>

namespace halfstep {

/// The factor of diag(lambda) + V V^T as vectors y_j: with A the sum of E_i v_i over the columns before j, what they ask of
/// column j is A y_j, and tr(E H E^T) = sum_j d_j |E_j + A y_j|^2. The same as `hessian_factor` of that matrix, in N k^2
/// operations.
///
/// From the last column to the first, in FP64: p = P v_j, d_j = lambda_j + v_j . p, y_j = p / d_j, P -= p p^T / d_j from P = I.
/// N k of `Real`. Throws value_error where no damping helps.
template <class Real>
class low_rank_factor {
 public:
  explicit low_rank_factor(low_rank_hessian const& h, factor_settings const& settings = {})
      : order_(detail::ordered_columns(h.diagonal(), settings.order)),
        y_(h.columns() * h.rank()),
        rank_(h.rank()),
        pivots_(order_.size()) {
    double const mean = detail::mean_magnitude(h.diagonal());
    if (!(mean > 0.0)) {
      order_.clear();
      return;
    }
    damping_ = detail::damped_until(settings.damping, [&](double damping) {
      lambda_ = damping * mean;
      return factorize(h);
    });
  }

  /// Returns whether H was nothing but zeros, so that there is no factor.
  bool empty() const { return order_.empty(); }

  index_t columns() const { return static_cast<index_t>(pivots_.size()); }
  index_t rank() const { return rank_; }

  /// Returns the columns in the order in which they are rounded.
  std::vector<index_t> const& order() const { return order_; }

  /// Returns y, a row for each column in that order.
  host_view<Real const> y() const { return y_.view({columns(), rank_}); }

  /// Returns d in that order.
  std::vector<double> const& pivots() const { return pivots_; }

  double damping() const { return damping_; }  ///< that was needed, as a share of mean |H_jj|
  double lambda() const { return lambda_; }    ///< what it added to the diagonal

 private:
  bool factorize(low_rank_hessian const& h) {
    auto const k = static_cast<std::size_t>(rank_);
    std::vector<double> p(k * k, 0.0), product(k);
    for (std::size_t a = 0; a < k; ++a) p[a * k + a] = 1.0;
    for (index_t place = columns() - 1; place >= 0; --place) {
      index_t const column = order_[static_cast<std::size_t>(place)];
      float const* const v = h.v().row(column);
      double pivot = static_cast<double>(h.lambda()[static_cast<std::size_t>(column)]) + lambda_;
      for (std::size_t a = 0; a < k; ++a) {
        double sum = 0.0;
        for (std::size_t b = 0; b < k; ++b) sum += p[a * k + b] * static_cast<double>(v[b]);
        product[a] = sum;
        pivot += sum * static_cast<double>(v[a]);
      }
      bool const is_dead = pivot == 0.0;  // nothing is read from this column
      if (!(pivot > 0.0) && !is_dead) return false;
      pivots_[static_cast<std::size_t>(place)] = pivot;
      for (std::size_t a = 0; a < k; ++a) {
        double const y = is_dead ? 0.0 : product[a] / pivot;
        y_[place * rank_ + static_cast<index_t>(a)] = static_cast<Real>(y);
        for (std::size_t b = 0; b < k; ++b) p[a * k + b] -= y * product[b];
      }
    }
    return true;
  }

  std::vector<index_t> order_;
  host_buffer<Real> y_;
  index_t rank_;
  std::vector<double> pivots_;
  double damping_ = 0.0;
  double lambda_ = 0.0;
};

}  // namespace halfstep
