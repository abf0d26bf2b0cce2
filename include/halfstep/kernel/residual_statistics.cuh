// How far a matrix's codes are from its weights, on the device.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <vector>

#include <halfstep/core/arithmetic.hpp>
#include <halfstep/core/bits.hpp>
#include <halfstep/core/compiler.hpp>
#include <halfstep/core/ieee_float.hpp>
#include <halfstep/core/matrix_view.hpp>
#include <halfstep/core/source.hpp>
#include <halfstep/device/divider.cuh>
#include <halfstep/device/launch.cuh>
#include <halfstep/device/packed_values.cuh>
#include <halfstep/device/vector_access.cuh>
#include <halfstep/exec/concept.hpp>
#include <halfstep/kernel/int8_vectors.cuh>
#include <halfstep/kernel/residual_statistics.hpp>
#include <halfstep/layout/concept.hpp>
#include <halfstep/layout/group_rows.hpp>

namespace halfstep {

namespace detail {

/// What some elements of a tile come to.
struct residual_part {
  double weight_square;
  double error_square;
  double product;
  std::int32_t max_error;  ///< bits
  std::int32_t clipped;

  HALFSTEP_HD void add(residual_part const& other) {
    weight_square += other.weight_square;
    error_square += other.error_square;
    product += other.product;
    max_error = other.max_error > max_error ? other.max_error : max_error;
    clipped += other.clipped;
  }
};

/// What the threads of a block found: sixteen threads add sixteen threads each, one adds those.
struct residual_parts {
  static constexpr int threads = 256;
  residual_part part[threads];

  /// Phases 1 and 2 of a tile.
  HALFSTEP_HD void add(int phase, tile_place at, residual_part* sum) {
    if (phase == 1 && at.thread < 16)
      part[at.thread * 16] = sum_of(at.thread * 16, 1);
    else if (phase == 2 && at.thread == 0)
      *sum = sum_of(0, 16);
  }

 private:
  HALFSTEP_HD residual_part sum_of(int first, int stride) const {
    residual_part sum = part[first];
    for (int i = 1; i < 16; ++i) sum.add(part[first + i * stride]);
    return sum;
  }
};

/// A long sum of FP32 numbers: `low` has what rounding took from `high`.
struct paired_sum {
  float high;
  float low;

  HALFSTEP_HD void add(float x) {
    ieee_float const before = high, after = before + x, added = after - before;
    low = static_cast<float>(ieee_float{low} + ((before - (after - added)) + (ieee_float{x} - added)));
    high = static_cast<float>(after);
  }
  HALFSTEP_HD double total() const { return to_float64(high) + to_float64(low); }
};

/// One tile of rows a block, whole vectors of them, 16 bytes of the wider of weights and codes: products of a vector are added in
/// FP32, vectors in pairs of FP32, threads in FP64. Good where squares neither leave FP32's comfortable range nor are NaN.
template <class Layout, class Source>
struct residual_vector_tile {
  using code_type = typename Layout::code_type;
  static constexpr int width = 16 / static_cast<int>(sizeof(Source) > sizeof(code_type) ? sizeof(Source) : sizeof(code_type));
  static constexpr int vectors_of_round = 2;
  static constexpr int max_threads = residual_parts::threads;
  static constexpr int min_blocks = sizeof(Source) == 1 ? 2 : 3;
  using shared_type = residual_parts;
  using state_type = tile_nothing;
  using vector = vector_of<Source, width>;
  using code_vector = vector_of<code_type, width>;

  device_view<Source const> weight;
  code_type const* codes;
  typename Layout::group_type const* groups;
  residual_part* parts;
  divider per_row;  ///< vectors of a row
  bool is_aligned;

  HALFSTEP_HD static constexpr int phases() { return 3; }

  HALFSTEP_HD void run(int phase, tile_place at, shared_type& shared, state_type&) const {
    if (phase == 0)
      shared.part[at.thread] = part_of(at);
    else
      shared.add(phase, at, parts + at.block);
  }

 private:
  struct sums {
    paired_sum weight_square, error_square, product;
    std::int32_t max_error, clipped;
  };

  HALFSTEP_HD residual_part part_of(tile_place at) const {
    extents2 const e = weight.extents();
    index_t const first = at.block * residual_tile_rows;
    index_t const rows = first + residual_tile_rows < e.rows ? index_t{residual_tile_rows} : e.rows - first;
    auto const vectors = static_cast<std::uint32_t>(rows) * per_row.divisor();
    Source const* const x = weight.row(first);
    code_type const* const q = codes + first * e.columns;
    sums found{};
    for (auto v = static_cast<std::uint32_t>(at.thread); v < vectors; v += vectors_of_round * max_threads) {
      vector values[vectors_of_round];
      code_vector chosen[vectors_of_round];
      HALFSTEP_UNROLL
      for (int i = 0; i < vectors_of_round; ++i) {
        std::uint32_t const n = v + i * max_threads, near = n < vectors ? n : v;
        values[i] = loaded<vector>(x + index_t{near} * width);
        chosen[i] = loaded<code_vector>(q + index_t{near} * width);
      }
      HALFSTEP_UNROLL
      for (int i = 0; i < vectors_of_round; ++i) {
        std::uint32_t const n = v + i * max_threads, row = per_row.quotient(n);
        if (n >= vectors) break;
        add(found, values[i], chosen[i], step_at<Layout>(groups, e, first + row, index_t{n - row * per_row.divisor()} * width));
      }
    }
    return {found.weight_square.total(), found.error_square.total(), found.product.total(), found.max_error, found.clipped};
  }

  template <class Vector, class T>
  HALFSTEP_HD Vector loaded(T const* p) const {
    if (is_aligned) return Vector::load(p);
    Vector v;
    HALFSTEP_UNROLL
    for (int k = 0; k < width; ++k) v.value[k] = p[k];
    return v;
  }

  HALFSTEP_HD static void add(sums& found, vector const& values, code_vector const& chosen, typename Layout::step_type step) {
    float x[width], y[width], weight_square = 0.0f, error_square = 0.0f, product = 0.0f;
    widen_vector(values, x);
    if constexpr (has_int8_codes<Layout> && width % 4 == 0) {
      decode_codes(chosen, step.scale, y);
    } else {
      HALFSTEP_UNROLL
      for (int k = 0; k < width; ++k) y[k] = Layout::decode(chosen.value[k], step);
    }
    HALFSTEP_UNROLL
    for (int k = 0; k < width; ++k) {
      float const error = static_cast<float>(ieee_float{x[k]} - y[k]);
      weight_square = fused(x[k], x[k], weight_square);
      error_square = fused(error, error, error_square);
      product = fused(x[k], error, product);
      std::int32_t const magnitude = bits(error) & 0x7fffffff;
      found.max_error = magnitude > found.max_error ? magnitude : found.max_error;
      if constexpr (requires { Layout::clips(x[k], step); }) found.clipped += Layout::clips(x[k], step) ? 1 : 0;
    }
    found.weight_square.add(weight_square);
    found.error_square.add(error_square);
    found.product.add(product);
  }
};

/// One tile of rows a block, all in FP64: every thread sums its columns.
template <class Layout, class Source>
struct residual_tile {
  static constexpr int max_threads = residual_parts::threads;
  static constexpr int min_blocks = 3;
  using shared_type = residual_parts;
  using state_type = tile_nothing;

  device_view<Source const> weight;
  typename Layout::code_type const* codes;
  typename Layout::group_type const* groups;
  residual_part* parts;  ///< of all tiles
  index_t first;         ///< the tile of block 0

  HALFSTEP_HD static constexpr int phases() { return 3; }

  HALFSTEP_HD void run(int phase, tile_place at, shared_type& shared, state_type&) const {
    if (phase == 0)
      shared.part[at.thread] = part_of(at);
    else
      shared.add(phase, at, parts + first + at.block);
  }

 private:
  HALFSTEP_HD residual_part part_of(tile_place at) const {
    extents2 const e = weight.extents();
    index_t const run = Layout::run(e);
    index_t const begin = (first + at.block) * residual_tile_rows;
    index_t const end = begin + residual_tile_rows < e.rows ? begin + residual_tile_rows : e.rows;
    residual_part part{};
    for (index_t row = begin; row < end; ++row)
      for (index_t k = at.thread; k < e.columns; k += max_threads)
        add(part, halfstep::widen(weight(row, k)), codes[row * e.columns + k], step_at<Layout>(groups, e, row, k / run * run));
    return part;
  }

  HALFSTEP_HD static void add(residual_part& part, float x, typename Layout::code_type code, typename Layout::step_type step) {
    float const error = static_cast<float>(ieee_float{x} - settled(Layout::decode(code, step)));
    double const wide = to_float64(x), off = to_float64(error);
    part.weight_square += wide * wide;
    part.error_square += off * off;
    part.product += wide * off;
    std::int32_t const magnitude = bits(error) & 0x7fffffff;
    if (magnitude > part.max_error && magnitude < 0x7f800000) part.max_error = magnitude;
    if constexpr (requires { Layout::clips(x, step); }) part.clipped += Layout::clips(x, step) ? 1 : 0;
  }
};

/// Whether a part of so many elements is good although its squares were added in FP32.
inline bool is_comfortable(residual_part const& part, index_t elements) {
  double const mean_square = part.weight_square / static_cast<double>(elements);
  return mean_square > 1e-24 && mean_square < 1e24 && std::isfinite(part.error_square) && std::isfinite(part.product);
}

/// Returns the parts of all tiles: in FP32 where rows and groups are whole vectors and the figures allow it, else in FP64.
template <class Layout, class Executor, class Source>
std::vector<residual_part> find_residual_parts(Executor const& ex, device_view<Source const> weight,
                                               typename Layout::code_type const* codes,
                                               typename Layout::group_type const* groups) {
  using fast = residual_vector_tile<Layout, Source>;
  using wide = residual_tile<Layout, Source>;
  extents2 const e = weight.extents();
  index_t const tiles = (e.rows + residual_tile_rows - 1) / residual_tile_rows;
  auto parts = ex.template allocate<residual_part>(tiles);
  std::vector<residual_part> result(static_cast<std::size_t>(tiles));
  std::vector<bool> is_kept(result.size());
  index_t first = 0, end = tiles;  // the tiles that FP64 is to see
  if (e.count() > 0 && e.columns % fast::width == 0 && Layout::run(e) % fast::width == 0 &&
      e.columns <= std::numeric_limits<int>::max() / residual_tile_rows) {
    bool const is_vectorized = is_aligned<fast::width>(weight.data()) && is_aligned<fast::width>(codes);
    divider const per_row(static_cast<std::uint32_t>(e.columns / fast::width));
    launch(ex, fast{weight, codes, groups, parts.data(), per_row, is_vectorized}, {tiles, fast::max_threads});
    ex.read(static_cast<residual_part const*>(parts.data()), result.data(), tiles);
    auto const is_good = [&](index_t tile) {
      index_t const rows = std::min<index_t>(e.rows - tile * residual_tile_rows, residual_tile_rows);
      return is_comfortable(result[static_cast<std::size_t>(tile)], rows * e.columns);
    };
    while (first < end && is_good(first)) ++first;
    while (first < end && is_good(end - 1)) --end;
    for (index_t tile = first; tile < end; ++tile) is_kept[static_cast<std::size_t>(tile)] = is_good(tile);
  }
  if (first == end) return result;
  std::vector<residual_part> again(static_cast<std::size_t>(end - first));
  launch(ex, wide{weight, codes, groups, parts.data(), first}, {end - first, wide::max_threads});
  ex.read(static_cast<residual_part const*>(parts.data()) + first, again.data(), end - first);
  for (index_t tile = first; tile < end; ++tile)
    if (!is_kept[static_cast<std::size_t>(tile)])
      result[static_cast<std::size_t>(tile)] = again[static_cast<std::size_t>(tile - first)];
  return result;
}

}  // namespace detail

/// Returns what is off, one partial result for each `residual_tile_rows` rows: add them in order for the whole matrix.
///
/// As the host overload says, but with errors rounded once after the product: within 1e-5 of the host's figures, relative, where
/// errors are not mere rounding, and the same bits on every device. Waits for the stream; allocates 32 bytes of device memory a
/// tile. Reads the weight once more where its squares leave FP32's comfortable range or anything is not finite. Throws
/// shape_error, cuda_error.
template <class Layout, device_executor Executor, source Source>
std::vector<residual_statistics> measure_residual(Executor const& ex, device_view<Source const> weight,
                                                  device_view<typename Layout::code_type const> codes,
                                                  device_view<typename Layout::group_type const> groups) {
  static_assert(check_layout<Layout>());
  extents2 const e = weight.extents();
  require_extents(codes.extents(), e, "halfstep: the codes given to measure_residual");
  require_extents(groups.extents(), Layout::groups(e), "halfstep: the groups given to measure_residual");
  std::vector<residual_statistics> result;
  for (auto const& p : detail::find_residual_parts<Layout>(ex, weight, codes.data(), groups.data()))
    result.push_back({p.weight_square, p.error_square, p.product, float_of(static_cast<std::uint32_t>(p.max_error)), p.clipped});
  return result;
}

}  // namespace halfstep
