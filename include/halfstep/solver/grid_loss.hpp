// What a group loses on a grid, for many scales at once.
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include <halfstep/core/arithmetic.hpp>
#include <halfstep/core/matrix_view.hpp>
#include <halfstep/exec/concept.hpp>
#include <halfstep/layout/group_geometry.hpp>
#include <halfstep/layout/on_grid.hpp>

namespace halfstep {

/// Whether weights of a group may lie beyond the last code.
enum class grid_end : std::uint8_t {
  clips,   ///< some may: they take the last code
  reaches  ///< none lies more than half a step beyond it, which saves two operations a weight
};

/// The weighted squared error of one group: J(s) = sum w_j (W_ij - s q_ij)^2, q_ij the number of `Grid` nearest to W_ij / s,
/// clipped.
///
/// Sums run over 16 interleaved FP32 lanes of up to 1024 weights, then in FP64 in order, from operations that no compiler can
/// contract: the same bits on every executor and instruction set.
template <class Grid>
class grid_loss {
 public:
  /// The group numbered `group` of `weight`; `column_weights` [N] are the w_j, none of them negative.
  grid_loss(host_view<float const> weight, group_geometry const& geometry, std::span<float const> column_weights, index_t group)
      : weight_(weight), column_weights_(column_weights) {
    index_t const across = geometry.groups().columns;
    first_row_ = group / across * geometry.rows;
    rows_ = geometry.rows;
    first_column_ = group % across * geometry.columns;
    columns_ = geometry.columns;
    strip_ = std::max<index_t>(1, (index_t{1} << 16) / columns_);
  }

  /// Stores J of every scale. The rows are cut into strips of a constant size, which `ex` may work on at once.
  template <host_executor Executor>
  void operator()(Executor const& ex, grid_end end, std::span<float const> scales, std::span<double> losses) const {
    index_t const strips = (rows_ + strip_ - 1) / strip_;
    std::vector<double> partial(static_cast<std::size_t>(strips) * scales.size(), 0.0);
    ex.for_each(strips, [&](index_t strip) {
      std::span<double> const mine(partial.data() + static_cast<std::size_t>(strip) * scales.size(), scales.size());
      for_each_chunk(strip, [&](chunk const& part) {
        for (std::size_t i = 0; i < scales.size(); ++i)
          mine[i] += end == grid_end::clips ? part.loss(scales[i], clip) : part.loss(scales[i], nearest);
      });
    });
    for (std::size_t i = 0; i < scales.size(); ++i) {
      double sum = 0.0;
      for (std::size_t k = i; k < partial.size(); k += scales.size()) sum += partial[k];
      losses[i] = sum * static_cast<double>(scales[i]) * static_cast<double>(scales[i]);
    }
  }

  /// Returns the scale that is best for the codes that `scale` gives: sum w W q / sum w q^2, or `scale` where no code is set.
  template <host_executor Executor>
  float refit(Executor const& ex, float scale) const {
    index_t const strips = (rows_ + strip_ - 1) / strip_;
    std::vector<std::array<double, 2>> partial(static_cast<std::size_t>(strips), {0.0, 0.0});
    ex.for_each(strips, [&](index_t strip) {
      for_each_chunk(strip, [&](chunk const& part) { part.fit(scale, partial[static_cast<std::size_t>(strip)]); });
    });
    double product = 0.0;
    double square = 0.0;
    for (auto const& p : partial) {
      product += p[0];
      square += p[1];
    }
    double const best = product / square;
    return std::isfinite(best) && best > 0.0 ? static_cast<float>(best) : scale;
  }

  /// Returns the largest magnitude of the group.
  float largest() const {
    float most = 0.0f;
    for (index_t row = first_row_; row < first_row_ + rows_; ++row)
      for (index_t k = first_column_; k < first_column_ + columns_; ++k) most = std::max(most, std::fabs(weight_(row, k)));
    return most;
  }

 private:
  static constexpr index_t lanes = 16;

  static constexpr auto nearest = [](float quotient) { return on_grid<Grid>::nearest_number(quotient); };
  static constexpr auto clip = [](float quotient) {
    constexpr float limit = Grid::last;
    float const code = nearest(quotient);
    float const below = limit < code ? limit : code;
    return below < -limit ? -limit : below;
  };

  /// Some neighbouring weights of a row, padded with weights that count nothing.
  struct chunk {
    static constexpr index_t capacity = 1024;
    alignas(64) float x[capacity];
    alignas(64) float w[capacity];
    index_t count = 0;

    void fill(float const* from, float const* weights, index_t some) {
      std::copy_n(from, some, x);
      std::copy_n(weights, some, w);
      count = (some + lanes - 1) / lanes * lanes;
      std::fill(x + some, x + count, 0.0f);
      std::fill(w + some, w + count, 0.0f);
    }

    /// Returns the sum of w (x / s - code)^2.
    template <class Code>
    double loss(float scale, Code const& code) const {
      float const reciprocal = 1.0f / scale;
      float sum[lanes] = {};
      for (index_t k = 0; k < count; k += lanes)
        for (index_t lane = 0; lane < lanes; ++lane) {
          float const quotient = settled(x[k + lane] * reciprocal);
          float const off = quotient - code(quotient);
          sum[lane] += settled(settled(w[k + lane] * off) * off);
        }
      double all = 0.0;
      for (index_t lane = 0; lane < lanes; ++lane) all += static_cast<double>(sum[lane]);
      return all;
    }

    void fit(float scale, std::array<double, 2>& sums) const {
      float const reciprocal = 1.0f / scale;
      for (index_t k = 0; k < count; ++k) {
        double const q = static_cast<double>(clip(settled(x[k] * reciprocal)));
        double const weighted = static_cast<double>(w[k]) * q;  // exact
        sums[0] += settled_product(weighted, static_cast<double>(x[k]));
        sums[1] += weighted * q;  // exact
      }
    }

    /// Returns a b, rounded even where a compiler could contract what is done with it.
    static double settled_product(double a, double b) { return a * b + 0.0; }
  };

  template <class F>
  void for_each_chunk(index_t strip, F const& f) const {
    chunk part;
    index_t const end = first_row_ + std::min(rows_, (strip + 1) * strip_);
    for (index_t row = first_row_ + strip * strip_; row < end; ++row)
      for (index_t k = 0; k < columns_; k += chunk::capacity) {
        index_t const column = first_column_ + k;
        part.fill(weight_.row(row) + column, column_weights_.data() + column, std::min(chunk::capacity, columns_ - k));
        f(part);
      }
  }

  host_view<float const> weight_;
  std::span<float const> column_weights_;
  index_t first_row_;
  index_t rows_;
  index_t first_column_;
  index_t columns_;
  index_t strip_;
};

}  // namespace halfstep
