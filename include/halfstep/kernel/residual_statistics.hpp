// How far a matrix's codes are from its weights, on the host. The device overload is in residual_statistics.cuh.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <span>
#include <vector>

#include <halfstep/core/magnitude.hpp>
#include <halfstep/core/matrix_view.hpp>
#include <halfstep/core/source.hpp>
#include <halfstep/exec/concept.hpp>
#include <halfstep/layout/concept.hpp>
#include <halfstep/layout/group_rows.hpp>

namespace halfstep {

/// Sums over some of a matrix's elements x and the numbers y that their codes stand for.
struct residual_statistics {
  double weight_square = 0.0;  ///< sum of x^2
  double error_square = 0.0;   ///< sum of (x - y)^2
  double product = 0.0;        ///< sum of x (x - y)
  float max_error = 0.0f;      ///< largest |x - y| of the finite y
  index_t clipped = 0;         ///< elements more than half a step beyond the last code, as far as `Layout::clips` tells

  /// Adds the figures of other elements. Sums of the same parts in the same order are equal bit for bit.
  constexpr residual_statistics& operator+=(residual_statistics const& other) {
    weight_square += other.weight_square;
    error_square += other.error_square;
    product += other.product;
    max_error = std::max(max_error, other.max_error);
    clipped += other.clipped;
    return *this;
  }
};

/// How many rows one partial result of `measure_residual` covers. Pieces of a tensor that begin at multiples of it give the
/// partial results of the whole.
inline constexpr index_t residual_tile_rows = 16;

/// Returns 10 log10(sum x^2 / sum (x - y)^2) in dB: infinite where nothing is off.
inline double sqnr_db(residual_statistics const& s) { return 10.0 * std::log10(s.weight_square / s.error_square); }

namespace detail {

/// Sums over runs of neighbours with a common step, in 32 interleaved partial sums of `Real`, added up in FP64 every 512
/// elements.
template <class Real>
class residual_lanes {
 public:
  template <class Layout, class Source>
  void add(Source const* x, typename Layout::code_type const* q, index_t count, typename Layout::step_type step) {
    for (index_t i = 0; i < count;) {
      index_t const some = std::min(chunk - filled_, count - i);
      float* const value = value_ + filled_;
      float* const error = error_ + filled_;
      for (index_t k = 0; k < some; ++k) {
        value[k] = widen(x[i + k]);
        error[k] = value[k] - Layout::decode(q[i + k], step);
      }
      if constexpr (requires { Layout::clips(value[0], step); }) {
        std::int32_t clipped = 0;
        for (index_t k = 0; k < some; ++k) clipped += Layout::clips(value[k], step) ? 1 : 0;
        clipped_ += clipped;
      }
      i += some;
      filled_ += some;
      if (filled_ == chunk) flush();
    }
  }

  residual_statistics total() {
    flush();
    residual_statistics s{0.0, 0.0, 0.0, float_of(static_cast<std::uint32_t>(max_error_)), clipped_};
    for (index_t lane = 0; lane < lanes; ++lane) {
      s.weight_square += weight_square_[lane];
      s.error_square += error_square_[lane];
      s.product += product_[lane];
    }
    return s;
  }

 private:
  static constexpr index_t lanes = 32;
  static constexpr index_t chunk = 512;

  void flush() {
    index_t const padded = (filled_ + lanes - 1) / lanes * lanes;
    for (index_t i = filled_; i < padded; ++i) value_[i] = error_[i] = 0.0f;
    add_products(value_, value_, padded, weight_square_);
    add_products(error_, error_, padded, error_square_);
    add_products(value_, error_, padded, product_);
    std::int32_t largest = 0;
    for (index_t i = 0; i < padded; ++i) {
      std::int32_t const magnitude = bits(error_[i]) & 0x7fffffff;
      largest = std::max(largest, magnitude < 0x7f800000 ? magnitude : 0);
    }
    max_error_ = std::max(max_error_, largest);
    filled_ = 0;
  }

  /// One sum a loop: with three in one, g++ keeps none of them in registers.
  static void add_products(float const* a, float const* b, index_t count, double* sums) {
    Real partial[lanes] = {};
    for (index_t i = 0; i < count; i += lanes)
      for (index_t lane = 0; lane < lanes; ++lane)
        partial[lane] += static_cast<Real>(a[i + lane]) * static_cast<Real>(b[i + lane]);
    for (index_t lane = 0; lane < lanes; ++lane) sums[lane] += static_cast<double>(partial[lane]);
  }

  alignas(64) float value_[chunk];
  alignas(64) float error_[chunk];
  index_t filled_ = 0;
  double weight_square_[lanes] = {};
  double error_square_[lanes] = {};
  double product_[lanes] = {};
  std::int32_t max_error_ = 0;
  index_t clipped_ = 0;
};

/// Returns what is off in the rows [first, end), through partial sums of `Real`.
template <class Real, class Layout, class Source>
residual_statistics residual_of_rows(host_view<Source const> weight, host_view<typename Layout::code_type const> codes,
                                     host_view<typename Layout::group_type const> groups, index_t first, index_t end) {
  extents2 const e = weight.extents();
  index_t const run = Layout::run(e);
  residual_lanes<Real> lanes;
  for (index_t row = first; row < end; ++row)
    for (index_t column = 0; column < e.columns; column += run)
      lanes.template add<Layout>(weight.row(row) + column, codes.row(row) + column, std::min(run, e.columns - column),
                                 step_at<Layout>(groups.data(), e, row, column));
  return lanes.total();
}

}  // namespace detail

/// Returns what is off, one partial result for each `residual_tile_rows` rows: add them in order for the whole matrix.
///
/// weight [M, N] finite; codes [M, N]; groups as `Layout::groups` says. A layout may say with `bool clips(float x, step_type)`
/// that x lies more than half a step beyond the last code. Sums of squares are good to 1e-5, relative. In a fixed order: the same
/// bits on every executor of one program, and for every way of cutting a tensor between tiles. Throws shape_error.
template <class Layout, host_executor Executor, source Source>
std::vector<residual_statistics> measure_residual(Executor const& ex, host_view<Source const> weight,
                                                  host_view<typename Layout::code_type const> codes,
                                                  host_view<typename Layout::group_type const> groups) {
  static_assert(check_layout<Layout>());
  extents2 const e = weight.extents();
  require_extents(codes.extents(), e, "halfstep: the codes given to measure_residual");
  require_extents(groups.extents(), Layout::groups(e), "halfstep: the groups given to measure_residual");
  index_t const tiles = (e.rows + residual_tile_rows - 1) / residual_tile_rows;
  std::vector<residual_statistics> result(static_cast<std::size_t>(tiles));
  ex.for_each(tiles, [&](index_t tile) {
    index_t const first = tile * residual_tile_rows;
    index_t const end = std::min(e.rows, first + residual_tile_rows);
    auto found = detail::residual_of_rows<float, Layout>(weight, codes, groups, first, end);
    // Weights whose squares leave FP32's comfortable range: rare, and worth a second look in FP64.
    double const mean_square = found.weight_square / static_cast<double>(std::max<index_t>((end - first) * e.columns, 1));
    if (!(mean_square > 1e-24 && mean_square < 1e24))
      found = detail::residual_of_rows<double, Layout>(weight, codes, groups, first, end);
    result[static_cast<std::size_t>(tile)] = found;
  });
  return result;
}

/// Returns the sum of partial results, in order.
inline residual_statistics total(std::span<residual_statistics const> parts) {
  residual_statistics all;
  for (residual_statistics const& part : parts) all += part;
  return all;
}

}  // namespace halfstep
