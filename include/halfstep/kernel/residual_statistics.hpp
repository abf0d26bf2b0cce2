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
inline constexpr index_t residual_tile_rows = 64;

/// Returns 10 log10(sum x^2 / sum (x - y)^2) in dB: infinite where nothing is off.
inline double sqnr_db(residual_statistics const& s) { return 10.0 * std::log10(s.weight_square / s.error_square); }

namespace detail {

/// What one run of neighbours with a common step adds, through interleaved partial sums: in FP64 every product is exact, so
/// neither the instruction set nor contraction can change a bit.
class residual_lanes {
 public:
  template <class Layout, class Source>
  void add(Source const* x, typename Layout::code_type const* q, index_t count, typename Layout::step_type step) {
    index_t const whole = count - count % lanes;
    for (index_t i = 0; i < whole; i += lanes)
      for (index_t lane = 0; lane < lanes; ++lane) add_one<Layout>(lane, widen(x[i + lane]), q[i + lane], step);
    for (index_t lane = 0; lane < count % lanes; ++lane) add_one<Layout>(lane, widen(x[whole + lane]), q[whole + lane], step);
  }

  residual_statistics total() const {
    residual_statistics s;
    for (index_t lane = 0; lane < lanes; ++lane)
      s += {weight_square_[lane], error_square_[lane], product_[lane], max_error(lane), clipped_[lane]};
    return s;
  }

 private:
  static constexpr index_t lanes = 16;

  template <class Layout>
  void add_one(index_t lane, float x, typename Layout::code_type code, typename Layout::step_type step) {
    double const wide = x;
    double const error = static_cast<float>(wide - static_cast<double>(Layout::decode(code, step)));
    weight_square_[lane] += wide * wide;
    error_square_[lane] += error * error;
    product_[lane] += wide * error;
    auto const magnitude = bits(static_cast<float>(error)) & 0x7fffffff;
    max_error_[lane] = magnitude > max_error_[lane] && magnitude < 0x7f800000 ? magnitude : max_error_[lane];
    if constexpr (requires { Layout::clips(x, step); }) clipped_[lane] += Layout::clips(x, step) ? 1 : 0;
  }

  float max_error(index_t lane) const { return float_of(static_cast<std::uint32_t>(max_error_[lane])); }

  double weight_square_[lanes] = {};
  double error_square_[lanes] = {};
  double product_[lanes] = {};
  std::int32_t max_error_[lanes] = {};
  std::int32_t clipped_[lanes] = {};
};

}  // namespace detail

/// Returns what is off, one partial result for each `residual_tile_rows` rows: add them in order for the whole matrix.
///
/// weight [M, N] finite; codes [M, N]; groups as `Layout::groups` says. A layout may say with `bool clips(float x, step_type)`
/// that x lies more than half a step beyond the last code. FP64 in a fixed order: the same bits on every executor, and for
/// every way of cutting a tensor between tiles. Throws shape_error.
template <class Layout, host_executor Executor, source Source>
std::vector<residual_statistics> measure_residual(Executor const& ex, host_view<Source const> weight,
                                                  host_view<typename Layout::code_type const> codes,
                                                  host_view<typename Layout::group_type const> groups) {
  static_assert(check_layout<Layout>());
  extents2 const e = weight.extents();
  require_extents(codes.extents(), e, "halfstep: the codes given to measure_residual");
  require_extents(groups.extents(), Layout::groups(e), "halfstep: the groups given to measure_residual");
  index_t const run = Layout::run(e);
  index_t const tiles = (e.rows + residual_tile_rows - 1) / residual_tile_rows;
  std::vector<residual_statistics> result(static_cast<std::size_t>(tiles));
  ex.for_each(tiles, [&](index_t tile) {
    detail::residual_lanes lanes;
    index_t const end = std::min(e.rows, (tile + 1) * residual_tile_rows);
    for (index_t row = tile * residual_tile_rows; row < end; ++row)
      for (index_t column = 0; column < e.columns; column += run)
        lanes.add<Layout>(weight.row(row) + column, codes.row(row) + column, std::min(run, e.columns - column),
                          step_at<Layout>(groups.data(), e, row, column));
    result[static_cast<std::size_t>(tile)] = lanes.total();
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
