// How far a matrix's codes are from its weights, on the host. The device overload is in residual_statistics.cuh.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <span>
#include <vector>

#include <halfstep/core/arithmetic.hpp>
#include <halfstep/core/bits.hpp>
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
  float max_error = 0.0f;      ///< largest |x - y|
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

/// What runs of neighbours with a common step add, through interleaved partial sums: in FP64 every product is exact, so neither
/// the instruction set nor contraction can change a bit.
class residual_lanes {
 public:
  template <class Layout, class Source>
  void add(Source const* x, typename Layout::code_type const* q, index_t count, typename Layout::step_type step) {
    for (; count > 0; x += chunk, q += chunk, count -= chunk) add_chunk<Layout>(x, q, std::min(count, chunk), step);
  }

  residual_statistics total() const {
    residual_statistics s;
    for (index_t lane = 0; lane < lanes; ++lane) s += {weight_square_[lane], error_square_[lane], product_[lane], 0.0f, 0};
    s.max_error = float_of(static_cast<std::uint32_t>(max_error_));
    s.clipped = clipped_;
    return s;
  }

 private:
  static constexpr index_t lanes = 16;
  static constexpr index_t chunk = 512;

  /// Simple loops over a chunk in first-level cache; each is one that compilers make vectors of.
  template <class Layout, class Source>
  void add_chunk(Source const* x, typename Layout::code_type const* q, index_t count, typename Layout::step_type step) {
    alignas(64) float weight[chunk];
    alignas(64) float error[chunk];
    for (index_t k = 0; k < count; ++k) weight[k] = widen(x[k]);
    for (index_t k = 0; k < count; ++k) error[k] = weight[k] - settled(Layout::decode(q[k], step));
    std::int32_t largest = 0;
    for (index_t k = 0; k < count; ++k) largest = std::max(largest, bits(error[k]) & 0x7fffffff);
    max_error_ = std::max(max_error_, largest);
    if constexpr (requires { Layout::clips(weight[0], step); }) {
      std::int32_t clipped = 0;
      for (index_t k = 0; k < count; ++k) clipped += Layout::clips(weight[k], step) ? 1 : 0;
      clipped_ += clipped;
    }
    index_t const padded = (count + lanes - 1) / lanes * lanes;
    std::fill(weight + count, weight + padded, 0.0f);
    std::fill(error + count, error + padded, 0.0f);
    add_products(weight, error, padded);
  }

  void add_products(float const* weight, float const* error, index_t count) {
    residual_lanes sums = *this;
    for (index_t i = 0; i < count; i += lanes) {
      for (index_t lane = 0; lane < lanes; ++lane) {
        double const x = weight[i + lane], e = error[i + lane];
        sums.weight_square_[lane] += x * x;
        sums.error_square_[lane] += e * e;
        sums.product_[lane] += x * e;
      }
    }
    *this = sums;
  }

  double weight_square_[lanes] = {};
  double error_square_[lanes] = {};
  double product_[lanes] = {};
  std::int32_t max_error_ = 0;
  index_t clipped_ = 0;
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
