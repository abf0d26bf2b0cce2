// One sweep of discrete coordinate descent over a matrix, in an order that stays in cache.
#pragma once

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <vector>

#include <halfstep/core/buffer.hpp>
#include <halfstep/core/matrix_view.hpp>
#include <halfstep/exec/concept.hpp>
#include <halfstep/kernel/sum.hpp>
#include <halfstep/layout/on_grid.hpp>
#include <halfstep/linalg/eigen.hpp>
#include <halfstep/linalg/gemm.hpp>
#include <halfstep/solver/concept.hpp>

namespace halfstep {

/// The state of a descent on J = mu |E|^2 + |U^T E V|^2 over codes that move by one step at a time.
///
/// Element (i, j) moves by d to a neighbour when that lowers J: when |mu E_ij + u_i . P v_j| > (mu + |u_i|^2 |v_j|^2) |d| / 2,
/// with P = U^T E V of all moves before. Columns go in blocks of 64, and in each the rows in blocks of 256: inside a block P v_j
/// is known through one product and is kept right through the small Gram matrices of the block's u_i and v_j, so that U streams
/// from memory once for 64 columns. The order is a part of the algorithm: it depends on no executor.
/// E [N, M] in FP32, 1 KiB a row for the Gram matrices, and P [k, k].
template <class Grid, host_executor Executor>
class coordinate_sweep {
 public:
  /// Borrows everything. u [M, k] and v [N, k] have orthonormal columns. Precondition: the shapes agree.
  coordinate_sweep(Executor const& ex, host_view<float const> weight, coded_matrix<Grid> const& q, host_view<float const> u,
                   host_view<float const> v)
      : ex_(ex),
        weight_(weight),
        q_(q),
        u_(u),
        v_(v),
        rank_(u.columns()),
        error_(weight.extents().count()),
        p_(rank_ * rank_),
        row_gram_(weight.rows() * block_rows),
        ahead_(block_columns * rank_),
        gradient_(block_columns * block_rows),
        moved_u_(block_columns * rank_),
        moved_all_(block_columns * rank_),
        row_norm_(norms(u)),
        column_norm_(norms(v)),
        moves_(static_cast<std::size_t>(block_columns)) {
    fill_row_gram();
    measure_error();
    project();
  }

  /// Returns |E|^2.
  double error_square() const { return error_square_; }

  /// Returns |U^T E V|.
  double loss() const { return std::sqrt(sum_of_squares(ex_, p_.view({rank_, rank_}))); }

  /// Computes U^T E V anew, free of the rounding errors of the sweeps.
  void project() {
    index_t const columns = weight_.columns();
    host_buffer<float> left(rank_ * columns);
    host_view<float const> const error(error_.data(), {columns, weight_.rows()});
    gemm(ex_, u_, operand::transposed, error, operand::transposed, left.view({rank_, columns}));
    gemm(ex_, left.view({rank_, columns}), operand::plain, v_, operand::plain, p_.view({rank_, rank_}));
  }

  /// Visits every element once and returns how many codes moved.
  index_t operator()(double mu) {
    index_t moved = 0;
    for (index_t column = 0; column < weight_.columns(); column += block_columns)
      moved += column_block(column, std::min(block_columns, weight_.columns() - column), static_cast<float>(mu));
    return moved;
  }

 private:
  static constexpr index_t block_columns = 64;
  static constexpr index_t block_rows = 256;
  static constexpr index_t lanes = 16;

  struct move {
    index_t row;  ///< within the block
    float step;   ///< by how much the decoded weight grew
  };

  static std::vector<float> norms(host_view<float const> x) {
    std::vector<float> all;
    for (index_t row = 0; row < x.rows(); ++row)
      all.push_back(static_cast<float>(detail::interleaved_sum(x.row(row), x.columns(), [](double y) { return y * y; })));
    return all;
  }

  void fill_row_gram() {
    ex_.for_each((u_.rows() + block_rows - 1) / block_rows, [&](index_t block) {
      index_t const first = block * block_rows;
      index_t const rows = std::min(block_rows, u_.rows() - first);
      auto const part = detail::eigen_map(u_).middleRows(first, rows);
      detail::eigen_map(host_view<float>(row_gram_.data() + first * block_rows, {rows, rows})).noalias() =
          part * part.transpose();
    });
  }

  void measure_error() {
    index_t const tiles = (weight_.rows() + lanes - 1) / lanes;
    std::vector<double> squares(static_cast<std::size_t>(tiles));
    ex_.for_each(tiles, [&](index_t tile) {
      double sum = 0.0;
      for (index_t i = tile * lanes; i < std::min(weight_.rows(), (tile + 1) * lanes); ++i)
        for (index_t j = 0; j < weight_.columns(); ++j) {
          float const e = weight_(i, j) - Grid::decode(q_.codes(i, j), q_.step(i, j));
          error_[j * weight_.rows() + i] = e;
          sum += static_cast<double>(e) * static_cast<double>(e);
        }
      squares[static_cast<std::size_t>(tile)] = sum;
    });
    error_square_ = 0.0;
    for (double const part : squares) error_square_ += part;
  }

  /// Calls `f(first, count)` for tiles of the rank's columns.
  template <class F>
  void for_each_tile(F const& f) const {
    constexpr index_t width = 128;
    ex_.for_each((rank_ + width - 1) / width, [&](index_t i) { f(i * width, std::min(width, rank_ - i * width)); });
  }

  auto block_map(host_buffer<float>& memory, index_t columns) const {
    return detail::eigen_map(host_view<float>(memory.data(), {columns, rank_}));
  }

  index_t column_block(index_t first, index_t columns, float mu) {
    auto const v = detail::eigen_map(v_).middleRows(first, columns);
    auto p = detail::eigen_map(p_.view({rank_, rank_}));
    auto ahead = block_map(ahead_, columns);      // (P v_j)^T for every column of the block
    auto moved_u = block_map(moved_u_, columns);  // sum of d_ij u_i over a block of rows
    auto moved_all = block_map(moved_all_, columns);
    for_each_tile(
        [&](index_t a, index_t count) { ahead.middleCols(a, count).noalias() = v * p.middleRows(a, count).transpose(); });
    detail::dense<float> const gram = v * v.transpose();
    moved_all.setZero();
    index_t moved = 0;
    for (index_t row = 0; row < weight_.rows(); row += block_rows) {
      index_t const rows = std::min(block_rows, weight_.rows() - row);
      correlate(row, rows, columns);
      index_t const here = move_codes(first, columns, row, rows, mu, gram);
      if (here == 0) continue;
      moved += here;
      ex_.for_each(columns, [&](index_t j) {
        float* const sum = moved_u_.data() + j * rank_;
        std::fill_n(sum, rank_, 0.0f);
        for (move const m : moves_[static_cast<std::size_t>(j)]) {
          float const* const u = u_.row(row + m.row);
          for (index_t a = 0; a < rank_; ++a) sum[a] += m.step * u[a];
        }
      });
      for_each_tile([&](index_t a, index_t count) {
        ahead.middleCols(a, count).noalias() -= gram * moved_u.middleCols(a, count);
        moved_all.middleCols(a, count) += moved_u.middleCols(a, count);
      });
    }
    if (moved > 0)
      for_each_tile(
          [&](index_t a, index_t count) { p.middleRows(a, count).noalias() -= moved_all.middleCols(a, count).transpose() * v; });
    return moved;
  }

  /// Stores u_i . P v_j for a block, one column after the other.
  void correlate(index_t row, index_t rows, index_t columns) {
    constexpr index_t width = 64;
    auto const ahead = block_map(ahead_, columns);
    auto out = detail::eigen_map(host_view<float>(gradient_.data(), {columns, rows}));
    ex_.for_each((rows + width - 1) / width, [&](index_t i) {
      index_t const first = i * width;
      index_t const count = std::min(width, rows - first);
      out.middleCols(first, count).noalias() = ahead * detail::eigen_map(u_).middleRows(row + first, count).transpose();
    });
  }

  /// Moves codes of a block, column by column, and returns how many.
  index_t move_codes(index_t first_column, index_t columns, index_t first_row, index_t rows, float mu,
                     detail::dense<float> const& gram) {
    index_t moved = 0;
    for (index_t j = 0; j < columns; ++j) {
      moves_[static_cast<std::size_t>(j)].clear();
      alignas(64) float correction[block_rows] = {};  // sum of d u_i' . u_i over this column's moves
      move_column(first_column + j, first_row, rows, mu, gradient_.data() + j * rows, correction,
                  moves_[static_cast<std::size_t>(j)]);
      if (moves_[static_cast<std::size_t>(j)].empty()) continue;
      moved += static_cast<index_t>(moves_[static_cast<std::size_t>(j)].size());
      for (index_t other = j + 1; other < columns; ++other) {
        float const factor = gram(j, other);
        float* const g = gradient_.data() + other * rows;
        for (index_t i = 0; i < rows; ++i) g[i] -= factor * correction[i];
      }
    }
    return moved;
  }

  void move_column(index_t column, index_t first_row, index_t rows, float mu, float const* gradient, float* correction,
                   std::vector<move>& moves) {
    float const norm = column_norm_[static_cast<std::size_t>(column)];
    float* const error = error_.data() + column * weight_.rows() + first_row;
    float const* const row_gram = row_gram_.data() + first_row * block_rows;
    alignas(64) float half[block_rows];
    for (index_t i = 0; i < rows; ++i) {
      index_t const row = first_row + i;
      half[i] = 0.5f * on_grid<Grid>::least_gap(q_.codes(row, column), q_.step(row, column)) *
                (mu + row_norm_[static_cast<std::size_t>(row)] * norm);
    }
    for (index_t base = 0; base < rows; base += lanes) {
      index_t const count = std::min(lanes, rows - base);
      for (index_t lane = 0; lane < count;) {
        std::uint32_t wanted = 0;
        for (index_t k = lane; k < count; ++k) {
          index_t const i = base + k;
          float const pull = mu * error[i] + (gradient[i] - norm * correction[i]);
          wanted |= static_cast<std::uint32_t>(std::fabs(pull) > half[i]) << k;
        }
        if (wanted == 0) break;
        lane = std::countr_zero(wanted);
        index_t const i = base + lane++;
        float const pull = mu * error[i] + (gradient[i] - norm * correction[i]);
        float const d = move_code(first_row + i, column, pull, norm, mu, error[i]);
        if (d == 0.0f) continue;
        for (index_t k = 0; k < rows; ++k) correction[k] += d * row_gram[i * rows + k];
        moves.push_back({i, d});
      }
    }
  }

  /// Moves one code to its neighbour on the side of `pull` where that lowers J, and returns by how much its weight grew: 0 where
  /// it stays, as on the grid's last code.
  float move_code(index_t row, index_t column, float pull, float norm, float mu, float& error) {
    auto& code = q_.codes(row, column);
    auto const step = q_.step(row, column);
    float const half = 0.5f * on_grid<Grid>::gap(code, pull, step) * (mu + row_norm_[static_cast<std::size_t>(row)] * norm);
    auto const next = on_grid<Grid>::neighbour(code, pull);
    if (next == code || !(std::fabs(pull) > half)) return 0.0f;
    float const old = Grid::decode(code, step);
    float const now = Grid::decode(next, step);
    float const left = weight_(row, column) - now;
    error_square_ +=
        static_cast<double>(left) * static_cast<double>(left) - static_cast<double>(error) * static_cast<double>(error);
    code = next;
    error = left;
    return now - old;
  }

  Executor const& ex_;
  host_view<float const> weight_;
  coded_matrix<Grid> q_;
  host_view<float const> u_;
  host_view<float const> v_;
  index_t rank_;
  host_buffer<float> error_;
  host_buffer<float> p_;
  host_buffer<float> row_gram_;
  host_buffer<float> ahead_;
  host_buffer<float> gradient_;
  host_buffer<float> moved_u_;
  host_buffer<float> moved_all_;
  std::vector<float> row_norm_;
  std::vector<float> column_norm_;
  std::vector<std::vector<move>> moves_;
  double error_square_ = 0.0;
};

}  // namespace halfstep
