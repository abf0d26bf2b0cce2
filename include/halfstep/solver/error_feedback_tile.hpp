// Some rows of a matrix while their columns are rounded one after the other.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <type_traits>
#include <vector>

#include <halfstep/core/arithmetic.hpp>
#include <halfstep/core/buffer.hpp>
#include <halfstep/core/matrix_view.hpp>
#include <halfstep/layout/on_grid.hpp>
#include <halfstep/linalg/eigen.hpp>
#include <halfstep/objective/hessian.hpp>
#include <halfstep/objective/hessian_factor.hpp>
#include <halfstep/objective/low_rank_factor.hpp>
#include <halfstep/solver/concept.hpp>

namespace halfstep::detail {

/// A row's part of the objective and of |E|^2, with the codes that came in and with those that it has now.
struct row_loss {
  double before = 0.0;  ///< with damping
  double after = 0.0;
  double error_before = 0.0;
  double error_after = 0.0;
};

/// At most `height` rows. What columns ask of later ones is summed column by column, for all rows at once; the sums of a tile
/// depend on nothing but its rows, so that no cut of a matrix into calls changes a code.
template <class Grid, class Real>
class feedback_tile {
 public:
  static constexpr index_t height = 64;
  static constexpr index_t block = 128;  ///< columns between two products with all columns before

  /// Borrows everything. The codes of `q` stay as they are until `keep`.
  feedback_tile(host_view<float const> weight, coded_matrix<Grid> const& q, index_t first)
      : weight_(weight),
        q_(q),
        first_(first),
        rows_(std::min(height, weight.rows() - first)),
        lanes_(2 * rows_),
        codes_(weight.columns() * rows_),
        errors_(weight.columns() * lanes_),
        losses_(static_cast<std::size_t>(rows_)) {
    for (index_t i = 0; i < rows_; ++i) group_row_.push_back(q.geometry.group_of(first + i, 0));
  }

  /// Rounds all columns, each with what the errors before it ask for.
  void solve(hessian_factor<Real> const& factor) {
    index_t const n = factor.columns();
    take_errors(factor.order());
    host_buffer<Real> memory(block * lanes_);
    auto const lower = eigen_map(factor.lower());
    auto const errors = eigen_map(host_view<Real const>(errors_.view({n, lanes_})));
    for (index_t done = 0; done < n; done += block) {
      index_t const width = std::min(block, n - done);
      index_t const first = n - done - width;
      auto asked = eigen_map(host_view<Real>(memory.data(), {width, lanes_}));
      if (done > 0)
        asked.noalias() = lower.block(first + width, first, done, width).transpose() * errors.middleRows(first + width, done);
      else
        asked.setZero();
      for (index_t t = width - 1; t >= 0; --t) {
        index_t const place = first + t;
        Real* const e = errors_.data() + place * lanes_;
        round_column(factor.order()[static_cast<std::size_t>(n - 1 - place)], factor.pivots()[static_cast<std::size_t>(place)],
                     memory.data() + t * lanes_, e);
        Real const* const l = factor.lower().row(place) + first;
        for (index_t u = 0; u < t; ++u) add_scaled(memory.data() + u * lanes_, l[u], e);
      }
    }
  }

  /// The same for a Hessian of low rank: what is asked is A y_j, A the sum of E_i v_i.
  void solve(low_rank_factor<Real> const& factor, host_view<float const> v) {
    index_t const n = factor.columns();
    take_errors(factor.order());
    host_buffer<Real> sums(factor.rank() * lanes_), asked(lanes_);
    std::fill(sums.begin(), sums.end(), Real{0});
    for (index_t j = 0; j < n; ++j) {
      index_t const column = factor.order()[static_cast<std::size_t>(j)];
      std::fill(asked.begin(), asked.end(), Real{0});
      for (index_t a = 0; a < factor.rank(); ++a) add_scaled(asked.data(), factor.y()(j, a), sums.data() + a * lanes_);
      Real* const e = errors_.data() + (n - 1 - j) * lanes_;
      round_column(column, factor.pivots()[static_cast<std::size_t>(j)], asked.data(), e);
      for (index_t a = 0; a < factor.rank(); ++a) add_scaled(sums.data() + a * lanes_, static_cast<Real>(v(column, a)), e);
    }
  }

  /// Visits every element up to `sweeps` times and gives it the code that is best while all others stay.
  void polish(hessian const& h, std::vector<index_t> const& order, double lambda, int sweeps) {
    index_t const n = h.columns();
    host_buffer<Real> error(rows_ * n), gradient(rows_ * n);
    for (index_t place = 0; place < n; ++place) {
      index_t const column = order[static_cast<std::size_t>(n - 1 - place)];
      for (index_t i = 0; i < rows_; ++i) error[i * n + column] = errors_[place * lanes_ + i];
    }
    auto const e = eigen_map(error.view({rows_, n}));
    if constexpr (std::is_same_v<Real, float>)
      eigen_map(gradient.view({rows_, n})).noalias() = e * eigen_map(h.view());
    else
      eigen_map(gradient.view({rows_, n})).noalias() = e * eigen_map(h.view()).template cast<Real>();
    for (index_t i = 0; i < rows_; ++i)
      for (int sweep = 0; sweep < sweeps; ++sweep)
        if (polish_row(h, lambda, i, error.data() + i * n, gradient.data() + i * n) == 0) break;
  }

  /// Stores the codes of every row that they made no worse, with damping and without, and returns the rows' losses without.
  std::vector<row_loss> keep(double lambda) {
    for (index_t i = 0; i < rows_; ++i) {
      row_loss& loss = losses_[static_cast<std::size_t>(i)];
      double const before = loss.before - lambda * loss.error_before;
      double const after = loss.after - lambda * loss.error_after;
      if (after <= before && loss.after <= loss.before) {
        auto* const row = q_.codes.row(first_ + i);
        for (index_t j = 0; j < weight_.columns(); ++j) row[j] = codes_[j * rows_ + i];
        loss.before = before;
        loss.after = after;
      } else {
        loss.before = loss.after = before;
        loss.error_after = loss.error_before;
      }
    }
    return losses_;
  }

 private:
  using code_type = typename Grid::code_type;
  using step_type = typename Grid::step_type;

  step_type step(index_t i, index_t group_column) const {
    return Grid::unpack(q_.scales.data()[group_row_[static_cast<std::size_t>(i)] + group_column]);
  }

  /// Stores the errors that came in beside the place of those to come, a row of them for each column, the last one first.
  void take_errors(std::vector<index_t> const& order) {
    index_t const n = weight_.columns();
    for (index_t place = 0; place < n; ++place) {
      index_t const column = order[static_cast<std::size_t>(n - 1 - place)];
      index_t const group_column = column / q_.geometry.columns;
      for (index_t i = 0; i < rows_; ++i) {
        float const decoded = settled(Grid::decode(q_.codes(first_ + i, column), step(i, group_column)));
        errors_[place * lanes_ + rows_ + i] = static_cast<Real>(weight_(first_ + i, column)) - static_cast<Real>(decoded);
      }
    }
  }

  static code_type nearest(float x, step_type s) { return on_grid<Grid>::locate(x, s).nearer; }

  void round_column(index_t column, double pivot, Real const* asked, Real* e) {
    index_t const group_column = column / q_.geometry.columns;
    for (index_t i = 0; i < rows_; ++i) {
      step_type const s = step(i, group_column);
      auto const w = static_cast<Real>(weight_(first_ + i, column));
      code_type const code = nearest(static_cast<float>(w + asked[i]), s);
      codes_[column * rows_ + i] = code;
      e[i] = w - static_cast<Real>(settled(Grid::decode(code, s)));
    }
    for (index_t i = 0; i < rows_; ++i) {
      row_loss& loss = losses_[static_cast<std::size_t>(i)];
      auto const now = static_cast<double>(e[i]), came = static_cast<double>(e[rows_ + i]);
      double const seen_now = now + static_cast<double>(asked[i]), seen_came = came + static_cast<double>(asked[rows_ + i]);
      loss.after += pivot * seen_now * seen_now;
      loss.before += pivot * seen_came * seen_came;
      loss.error_after += now * now;
      loss.error_before += came * came;
    }
  }

  void add_scaled(Real* to, Real factor, Real const* from) const {
    for (index_t i = 0; i < lanes_; ++i) to[i] += factor * from[i];
  }

  /// Moves codes of one row and returns how many; `gradient` is (E H)_i without damping and stays right.
  index_t polish_row(hessian const& h, double lambda, index_t i, Real* error, Real* gradient) {
    row_loss& loss = losses_[static_cast<std::size_t>(i)];
    index_t moved = 0;
    for (index_t j = 0; j < h.columns(); ++j) {
      step_type const s = step(i, j / q_.geometry.columns);
      float const* const row = h.view().row(j);
      double const curvature = static_cast<double>(row[j]) + lambda;
      if (!(curvature > 0.0)) continue;
      double const slope = static_cast<double>(gradient[j]) + lambda * static_cast<double>(error[j]);
      code_type& code = codes_[j * rows_ + i];
      float const decoded = settled(Grid::decode(code, s));
      code_type const better = nearest(static_cast<float>(static_cast<double>(decoded) + slope / curvature), s);
      if (better == code) continue;
      double const d = static_cast<double>(settled(Grid::decode(better, s))) - static_cast<double>(decoded);
      double const change = d * (d * curvature - 2.0 * slope);
      if (!(change < 0.0)) continue;
      double const e = static_cast<double>(error[j]);
      loss.after += change;
      loss.error_after += d * (d - 2.0 * e);
      error[j] = static_cast<Real>(e - d);
      code = better;
      auto const step_size = static_cast<Real>(d);
      for (index_t k = 0; k < h.columns(); ++k) gradient[k] -= step_size * static_cast<Real>(row[k]);
      ++moved;
    }
    return moved;
  }

  host_view<float const> weight_;
  coded_matrix<Grid> q_;
  index_t first_;
  index_t rows_;
  index_t lanes_;                 ///< numbers that go through all products: errors to come, then errors that came in
  host_buffer<code_type> codes_;  ///< [N, rows]
  host_buffer<Real> errors_;      ///< [N, lanes]
  std::vector<row_loss> losses_;
  std::vector<index_t> group_row_;
};

}  // namespace halfstep::detail
