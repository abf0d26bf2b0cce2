// Groups and codes of a weight on the device, reading it once where a group fits into a block's registers.
#pragma once

#include <cstdint>
#include <limits>

#include <halfstep/core/compiler.hpp>
#include <halfstep/core/matrix_view.hpp>
#include <halfstep/core/source.hpp>
#include <halfstep/device/divider.cuh>
#include <halfstep/device/launch.cuh>
#include <halfstep/device/packed_values.cuh>
#include <halfstep/device/vector_access.cuh>
#include <halfstep/device/warp_max.cuh>
#include <halfstep/exec/concept.hpp>
#include <halfstep/kernel/fit_short_rows.cuh>
#include <halfstep/kernel/group_range.cuh>
#include <halfstep/kernel/int8_vectors.cuh>
#include <halfstep/kernel/quantize.cuh>
#include <halfstep/layout/concept.hpp>
#include <halfstep/layout/group_rows.hpp>

namespace halfstep {

namespace detail {

/// Where a layout's groups lie if they are equal rectangles.
struct group_rectangles {
  index_t rows;     ///< of a rectangle
  index_t columns;  ///< of a rectangle
  divider per_row;  ///< how many lie side by side

  /// Returns the matrix's element at the upper left corner of rectangle `i`.
  HALFSTEP_HD index_t row(index_t i) const { return per_row.quotient(static_cast<std::uint32_t>(i)) * rows; }
  HALFSTEP_HD index_t column(index_t i) const {
    auto const n = static_cast<std::uint32_t>(i);
    return (n - per_row.quotient(n) * per_row.divisor()) * columns;
  }
};

/// How the vectors of a rectangle are dealt to the threads of a block: those of a thread lie equally far apart.
struct vector_deal {
  divider per_row;  ///< vectors of the rectangle's row; more than it has where the rows follow on each other in memory
  int pitch;        ///< elements from one row to the next
  int stride;       ///< elements from one vector of a thread to its next

  /// Returns how many elements after the corner a thread's first vector starts.
  HALFSTEP_HD int first(int thread, int width) const {
    auto const t = static_cast<std::uint32_t>(thread);
    std::uint32_t const row = per_row.quotient(t);
    return static_cast<int>(row) * pitch + static_cast<int>(t - row * per_row.divisor()) * width;
  }
};

/// Finds one group a block: its weights stay as they came while the range is found, in registers, those of all rounds but the
/// last in shared memory. A thread has four vectors of 16 bytes in a round.
template <class Layout, class Rounding, class Source, int Threads, int Rounds>
struct fit_quantize_tile {
  static constexpr bool is_packed = packs_codes<Layout, Rounding, Source> && fits_to_last_code<Layout>;
  static constexpr int width = 16 / static_cast<int>(sizeof(Source));
  static constexpr int vectors_of_round = 4;
  static constexpr int max_threads = Threads;
  static constexpr int min_blocks = is_packed ? resident_threads<Source> / Threads : (sizeof(Source) < 8 ? 3 : 2);
  static constexpr index_t capacity = index_t{Threads} * vectors_of_round * Rounds * width;  ///< elements
  static_assert((Rounds - 1) * vectors_of_round * Threads * 16 < 48 * 1024, "halfstep: more shared memory than a block has");
  using vector = vector_of<Source, width>;
  using code_vector = vector_of<typename Layout::code_type, width>;
  struct shared_type {
    alignas(16) std::uint32_t largest[Threads / 32];
    alignas(16) Source kept[Rounds > 1 ? (Rounds - 1) * vectors_of_round* Threads* width : 1];
  };
  struct state_type {
    vector x[vectors_of_round];
    index_t first;  ///< the place in the matrix of the thread's first vector
    int left;       ///< vectors of the rectangle from that one on
  };

  device_view<Source const> weight;
  value_range* ranges;
  typename Layout::group_type* groups;
  typename Layout::code_type* codes;
  Rounding rounding;
  group_rectangles rectangles;
  vector_deal deal;
  int vectors;  ///< of a rectangle

  HALFSTEP_HD static constexpr int phases() { return 2; }

  HALFSTEP_HD void run(int phase, tile_place at, shared_type& shared, state_type& state) const {
    if (phase == 0) {
      index_t const corner = rectangles.row(at.block) * weight.columns() + rectangles.column(at.block);
      state.first = kept_in_register(corner + deal.first(at.thread, width));
      state.left = kept_in_register(vectors - at.thread);
      running_largest<Source> largest;
      HALFSTEP_UNROLL
      for (int round = 0; round < Rounds; ++round) {
        load(round, state, largest);
        if (round + 1 < Rounds) keep(at.thread, round, state, shared);
      }
      store_largest(shared.largest + static_cast<unsigned>(at.thread) / 32, at.thread, largest.pattern());
    } else {
      value_range const range{magnitude_of<Source>(largest_of(shared))};
      auto const group = fit_group<Layout>(range);
      if (at.thread == 0) {
        index_t place = at.block;
        if constexpr (!numbers_groups_as_they_lie<Layout>)
          place = Layout::group_of(weight.extents(), rectangles.row(at.block), rectangles.column(at.block));
        ranges[place] = range;
        groups[place] = group;
      }
      auto const step = unpack_fitted<Layout>(group);
      store(Rounds - 1, step, state);
      HALFSTEP_UNROLL
      for (int round = 0; round + 1 < Rounds; ++round) {
        recall(at.thread, round, shared, state);
        store(round, step, state);
      }
    }
  }

 private:
  HALFSTEP_HD void load(int round, state_type& state, running_largest<Source>& largest) const {
    Source const* const first = kept_in_register(weight.data() + state.first);
    HALFSTEP_UNROLL
    for (int i = 0; i < vectors_of_round; ++i) {
      int const n = round * vectors_of_round + i;
      state.x[i] = {};
      if (n * Threads < state.left) state.x[i] = vector::load(first + static_cast<std::uint32_t>(n * deal.stride));
    }
    HALFSTEP_UNROLL
    for (int i = 0; i < vectors_of_round; ++i) largest.add(state.x[i]);
  }

  HALFSTEP_HD static void keep(int thread, int round, state_type const& state, shared_type& shared) {
    HALFSTEP_UNROLL
    for (int i = 0; i < vectors_of_round; ++i)
      state.x[i].keep(shared.kept + ((round * vectors_of_round + i) * Threads + thread) * width);
  }

  HALFSTEP_HD static void recall(int thread, int round, shared_type const& shared, state_type& state) {
    HALFSTEP_UNROLL
    for (int i = 0; i < vectors_of_round; ++i)
      state.x[i] = vector::load(shared.kept + ((round * vectors_of_round + i) * Threads + thread) * width);
  }

  HALFSTEP_HD static std::uint32_t largest_of(shared_type const& shared) {
    std::uint32_t largest = 0;
    HALFSTEP_UNROLL
    for (int i = 0; i < Threads / 32; ++i) largest = shared.largest[i] > largest ? shared.largest[i] : largest;
    return largest;
  }

  HALFSTEP_HD void store(int round, typename Layout::step_type step, state_type const& state) const {
    auto* const first = kept_in_register(codes + state.first);
    HALFSTEP_UNROLL
    for (int i = 0; i < vectors_of_round; ++i) {
      int const n = round * vectors_of_round + i;
      if (n * Threads >= state.left) continue;
      index_t const in_tensor = weight.index_in_tensor(0, 0) + state.first + n * deal.stride;
      encode(state.x[i], step, in_tensor).store(first + static_cast<std::uint32_t>(n * deal.stride));
    }
  }

  HALFSTEP_HD code_vector encode(vector const& x, typename Layout::step_type step, index_t in_tensor) const {
    if constexpr (is_packed) {
      return nearest_codes<code_limits::kept>(x, step);
    } else {
      code_vector q;
      HALFSTEP_UNROLL
      for (int k = 0; k < width; ++k) q.value[k] = rounding(Layout::locate(halfstep::widen(x.value[k]), step), in_tensor + k);
      return q;
    }
  }
};

/// Groups of fewer vectors would leave most of a block idle: two passes are faster.
inline constexpr index_t fewest_vectors = 48;

/// Returns how a block of `threads` takes groups of `rows` x `columns` of a matrix with `matrix_columns`; a stride of 0 where
/// vectors of a thread would not lie equally far apart, or farther than counts in 32 bits.
inline vector_deal deal_vectors(index_t rows, index_t columns, index_t matrix_columns, int width, int threads) {
  if (rows == 1 || columns == matrix_columns) return {divider(1u << 30), 0, threads * width};
  index_t const per_row = columns / width;
  bool const is_even = per_row <= threads && threads % per_row == 0 && rows * matrix_columns < (index_t{1} << 30);
  if (!is_even) return {divider(), 0, 0};
  return {divider(static_cast<std::uint32_t>(per_row)), static_cast<int>(matrix_columns),
          static_cast<int>(threads / per_row * matrix_columns)};
}

/// Queues the single-pass kernel if a group fits into it, and returns whether it does.
template <class Layout, int Threads, int Rounds, class Executor, class Source, class Rounding>
bool try_fit_quantize(Executor const& ex, device_view<Source const> weight, device_view<value_range> ranges,
                      device_view<typename Layout::group_type> groups, device_view<typename Layout::code_type> codes,
                      Rounding rounding) {
  using tile = fit_quantize_tile<Layout, Rounding, Source, Threads, Rounds>;
  extents2 const e = weight.extents();
  index_t const rows = rows_per_group<Layout>(e);
  index_t const columns = Layout::run(e);
  index_t const count = groups.extents().count();
  bool const is_tiled = columns > 0 && groups.extents() == extents2{e.rows / rows, e.columns / columns} && e.rows % rows == 0 &&
                        e.columns % columns == 0 && count <= std::numeric_limits<int>::max();
  bool const is_vectorized =
      columns % tile::width == 0 && is_aligned<tile::width>(weight.data()) && is_aligned<tile::width>(codes.data());
  if (!is_tiled || !is_vectorized) return false;
  if (rows > tile::capacity / columns || rows * columns < fewest_vectors * tile::width) return false;
  vector_deal const deal = deal_vectors(rows, columns, e.columns, tile::width, Threads);
  if (deal.stride == 0) return false;
  group_rectangles const rectangles{rows, columns, divider(static_cast<std::uint32_t>(e.columns / columns))};
  launch(ex,
         tile{weight, ranges.data(), groups.data(), codes.data(), rounding, rectangles, deal,
              static_cast<int>(rows * columns / tile::width)},
         {count, Threads});
  return true;
}

/// Queues the single-pass kernel that suits a group best, and returns whether there is one.
///
/// Each leaves room for 1536 threads of a multiprocessor where codes are packed, else for three blocks.
template <class Layout, class Executor, class Source, class Rounding, class... Outputs>
bool try_single_pass(Executor const& ex, device_view<Source const> weight, Rounding rounding, Outputs... outputs) {
  if constexpr (packs_codes<Layout, Rounding, Source> && fits_to_last_code<Layout>)
    return try_short_rows<Layout>(ex, weight, outputs...) || try_fit_quantize<Layout, 128, 1>(ex, weight, outputs..., rounding) ||
           try_fit_quantize<Layout, 256, 1>(ex, weight, outputs..., rounding) ||
           try_fit_quantize<Layout, 384, 1>(ex, weight, outputs..., rounding) ||
           try_fit_quantize<Layout, 512, 1>(ex, weight, outputs..., rounding) ||
           try_fit_quantize<Layout, 512, 2>(ex, weight, outputs..., rounding);
  else
    return try_fit_quantize<Layout, 128, 1>(ex, weight, outputs..., rounding) ||
           try_fit_quantize<Layout, 256, 1>(ex, weight, outputs..., rounding) ||
           try_fit_quantize<Layout, 256, 3>(ex, weight, outputs..., rounding);
}

}  // namespace detail

/// Fits a group to every group's range and stores the codes of all weights.
///
/// weight [M, N], whole rows of groups; `ranges` and `groups` as `Layout::groups` says, codes [M, N]: all three are written.
/// Equal to group_range, fit_groups and quantize one after the other, bit for bit. Reads the weight once where a group is an
/// aligned rectangle of 768 bytes to 48 KiB, or, where codes are the nearest of INT8, to 64 KiB or a row of 64, 128, 256 or 512
/// bytes; else twice, the second time from its end, which is still in the cache. Runs in stream order, allocates nothing. Throws
/// shape_error, cuda_error. A weight that is not finite shows in `ranges`, and the codes of its group mean nothing.
template <class Layout, class Rounding, device_executor Executor, source Source>
void fit_quantize_async(Executor const& ex, device_view<Source const> weight, device_view<value_range> ranges,
                        device_view<typename Layout::group_type> groups, device_view<typename Layout::code_type> codes,
                        Rounding rounding) {
  static_assert(check_layout<Layout>());
  static_assert(check_rounding<Rounding, typename Layout::code_type>());
  if constexpr (layout<Layout> && halfstep::rounding<Rounding, typename Layout::code_type>) {
    extents2 const e = weight.extents();
    require_extents(ranges.extents(), Layout::groups(e), "halfstep: the ranges of fit_quantize");
    require_extents(groups.extents(), Layout::groups(e), "halfstep: the groups of fit_quantize");
    require_extents(codes.extents(), e, "halfstep: the codes of fit_quantize");
    require_even_groups<Layout>(e);
    if constexpr (has_groups<Layout>) {
      if (e.count() > 0 && detail::try_single_pass<Layout>(ex, weight, rounding, ranges, groups, codes)) return;
      group_range_async<Layout>(ex, weight, ranges);
      fit_groups_async<Layout>(ex, device_view<value_range const>(ranges), groups);
    }
    constexpr auto limits = detail::fits_to_last_code<Layout> ? detail::code_limits::kept : detail::code_limits::unknown;
    detail::quantize_within<limits, Layout>(ex, weight, device_view<typename Layout::group_type const>(groups), codes, rounding,
                                            traversal::backward);
  }
}

/// `fit_quantize_async`, and waits for the executor.
template <class Layout, class Rounding, device_executor Executor, source Source>
void fit_quantize(Executor const& ex, device_view<Source const> weight, device_view<value_range> ranges,
                  device_view<typename Layout::group_type> groups, device_view<typename Layout::code_type> codes,
                  Rounding rounding) {
  fit_quantize_async<Layout>(ex, weight, ranges, groups, codes, rounding);
  ex.wait();
}

}  // namespace halfstep
