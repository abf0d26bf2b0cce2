// The factor of a damped Hessian that error feedback needs, in the order in which columns are rounded.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <numeric>
#include <string>
#include <type_traits>
#include <vector>

#include <halfstep/core/buffer.hpp>
#include <halfstep/core/error.hpp>
#include <halfstep/core/matrix_view.hpp>
#include <halfstep/exec/concept.hpp>
#include <halfstep/linalg/cholesky.hpp>
#include <halfstep/linalg/gram.hpp>
#include <halfstep/objective/factor_settings.hpp>
#include <halfstep/objective/hessian.hpp>

namespace halfstep {

namespace detail {

inline std::vector<index_t> ordered_columns(std::vector<float> const& diagonal, column_order order) {
  std::vector<index_t> columns(diagonal.size());
  std::iota(columns.begin(), columns.end(), index_t{0});
  if (order == column_order::activations)
    std::stable_sort(columns.begin(), columns.end(), [&](index_t a, index_t b) {
      return diagonal[static_cast<std::size_t>(a)] > diagonal[static_cast<std::size_t>(b)];
    });
  return columns;
}

inline double mean_magnitude(std::vector<float> const& diagonal) {
  double sum = 0.0;
  for (float const x : diagonal) sum += std::fabs(static_cast<double>(x));
  return sum / static_cast<double>(std::max<std::size_t>(diagonal.size(), 1));
}

/// Calls `attempt(damping)` with ever more damping until it succeeds, and returns the damping that did.
template <class Attempt>
double damped_until(double damping, Attempt const& attempt) {
  double const first = damping > 0.0 ? damping : 1e-6;
  if (damping <= 0.0 && attempt(0.0)) return 0.0;
  for (double d = first; d < 1e15; d *= 10.0)
    if (attempt(d)) return d;
  throw value_error(stated("hessian.indefinite", "halfstep: a Hessian that no damping makes positive definite"));
}

}  // namespace detail

/// H + lambda I = L diag(d) L^T, where row and column k from the end stand for the k-th column to be rounded; L has ones on its
/// diagonal.
///
/// tr(E (H + lambda I) E^T) = sum_b d_b |E_b + sum_{a > b} E_a L_ab|^2 with the columns of E in that order. One Cholesky
/// factorization of the matrix scaled to a diagonal of ones, in `Real`; in FP64 where FP32 fails or where pivots below 1e-5 show
/// that it loses too many digits; only then with more damping. N^3 / 3 flops, N^2 of `Real`. A column whose H_jj is 0 has nothing
/// to do with the others. On one machine the same bits for every number of threads. Throws value_error where no damping helps.
template <class Real>
class hessian_factor {
 public:
  template <host_executor Executor>
  hessian_factor(Executor const& ex, hessian const& h, factor_settings const& settings = {})
      : order_(detail::ordered_columns(h.diagonal(), settings.order)), lower_(h.columns() * h.columns()), pivots_(order_.size()) {
    double const mean = detail::mean_magnitude(h.diagonal());
    if (!(mean > 0.0)) {
      order_.clear();
      return;
    }
    damping_ = detail::damped_until(settings.damping, [&](double damping) {
      lambda_ = damping * mean;
      if (factorize(ex, h, lower_)) return true;
      if constexpr (std::is_same_v<Real, float>) {
        host_buffer<double> wide(lower_.size());
        if (!factorize(ex, h, wide)) return false;
        std::copy(wide.begin(), wide.end(), lower_.begin());
        return true;
      }
      return false;
    });
  }

  /// Returns whether H was nothing but zeros, so that there is no factor.
  bool empty() const { return order_.empty(); }

  index_t columns() const { return static_cast<index_t>(pivots_.size()); }

  /// Returns the columns in the order in which they are rounded.
  std::vector<index_t> const& order() const { return order_; }

  /// Returns L; above its diagonal anything.
  host_view<Real const> lower() const { return lower_.view({columns(), columns()}); }

  /// Returns d.
  std::vector<double> const& pivots() const { return pivots_; }

  /// Returns the damping that was needed, as a share of mean |H_jj|.
  double damping() const { return damping_; }

  /// Returns what the damping added to the diagonal.
  double lambda() const { return lambda_; }

 private:
  index_t column_at(index_t place) const { return order_[order_.size() - 1 - static_cast<std::size_t>(place)]; }

  /// Stores L in the lower triangle of `memory`; returns whether that went well.
  template <class Executor, class Other>
  bool factorize(Executor const& ex, hessian const& h, host_buffer<Other>& memory) {
    index_t const n = columns();
    auto const from = h.view();
    auto const m = memory.view({n, n});
    std::vector<double> scale(pivots_.size());
    for (index_t a = 0; a < n; ++a) {
      double const x = static_cast<double>(from(column_at(a), column_at(a))) + lambda_;
      bool const is_dead = x == 0.0;  // a column without inputs and without damping: it stands alone
      if (!(x > 0.0) && !is_dead) return false;
      scale[static_cast<std::size_t>(a)] = is_dead ? 1.0 : std::sqrt(x);
    }
    ex.for_each(n, [&](index_t a) {
      index_t const row = column_at(a);
      bool const alone = from(row, row) == 0.0f;
      for (index_t b = 0; b < a; ++b) {
        index_t const column = column_at(b);
        double const x = alone || from(column, column) == 0.0f ? 0.0 : static_cast<double>(from(row, column));
        m(a, b) = static_cast<Other>(x / (scale[static_cast<std::size_t>(a)] * scale[static_cast<std::size_t>(b)]));
      }
      m(a, a) = Other{1};
    });
    if (!cholesky(ex, m)) return false;
    for (index_t b = 0; b < n; ++b) {
      auto const root = static_cast<double>(m(b, b));
      if (std::is_same_v<Other, float> && root * root < 1e-5) return false;
      double const whole = root * scale[static_cast<std::size_t>(b)];
      pivots_[static_cast<std::size_t>(b)] = whole * whole;
    }
    std::vector<double> share;
    for (double const pivot : pivots_) share.push_back(1.0 / std::sqrt(pivot));
    ex.for_each(n, [&](index_t a) {
      for (index_t b = 0; b < a; ++b) {
        double const unscaled = scale[static_cast<std::size_t>(a)] * share[static_cast<std::size_t>(b)];
        m(a, b) = static_cast<Other>(static_cast<double>(m(a, b)) * unscaled);
      }
      m(a, a) = Other{1};
    });
    return true;
  }

  std::vector<index_t> order_;
  host_buffer<Real> lower_;
  std::vector<double> pivots_;
  double damping_ = 0.0;
  double lambda_ = 0.0;
};

}  // namespace halfstep
