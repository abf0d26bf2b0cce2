// Groups and codes of a weight on the device, reading it once where a group fits into a block's registers.
#pragma once

#include <cstdint>
#include <limits>

#include <halfstep/core/compiler.hpp>
#include <halfstep/core/matrix_view.hpp>
#include <halfstep/core/source.hpp>
#include <halfstep/exec/concept.hpp>
#include <halfstep/kernel/group_range.cuh>
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

/// Finds one group a block: its weights stay in registers as they came, `Vectors` of 16 bytes a thread, while the range is found.
template <class Layout, class Rounding, class Source, int Threads, int Vectors>
struct fit_quantize_tile {
  static constexpr int width = 16 / static_cast<int>(sizeof(Source));
  static constexpr int max_threads = Threads;
  static constexpr index_t capacity = index_t{Threads} * Vectors * width;  ///< elements
  using vector = vector_of<Source, width>;
  using code_vector = vector_of<typename Layout::code_type, width>;
  struct shared_type {
    std::uint32_t largest[Threads / 32];
  };
  struct state_type {
    vector x[Vectors];
  };

  device_view<Source const> weight;
  value_range* ranges;
  typename Layout::group_type* groups;
  typename Layout::code_type* codes;
  Rounding rounding;
  group_rectangles rectangles;
  vector_grid grid;  ///< of a rectangle
  int vectors;       ///< of a rectangle

  HALFSTEP_HD static constexpr int phases() { return 2; }

  HALFSTEP_HD void run(int phase, tile_place at, shared_type& shared, state_type& state) const {
    index_t const row = rectangles.row(at.block);
    index_t const column = rectangles.column(at.block);
    index_t const corner = row * weight.columns() + column;
    if (phase == 0) {
      load(at, corner, state);
      store_largest(shared.largest + at.thread / 32, at.thread, largest_of(at, state));
    } else {
      value_range const range{float_of(largest_of(shared))};
      auto const group = Layout::fit(range);
      if (at.thread == 0) {
        index_t const place = Layout::group_of(weight.extents(), row, column);
        ranges[place] = range;
        groups[place] = group;
      }
      store(at, corner, Layout::unpack(group), state);
    }
  }

 private:
  HALFSTEP_HD bool is_inside(tile_place at, int i) const { return i * Threads + at.thread < vectors; }

  /// Returns how many elements after the corner the thread's vector `i` starts.
  HALFSTEP_HD index_t offset(tile_place at, int i) const {
    vector_place const place = grid.advance({0, 0}, static_cast<std::uint32_t>(i * Threads + at.thread));
    return place.row * weight.columns() + index_t{place.vector} * width;
  }

  HALFSTEP_HD void load(tile_place at, index_t corner, state_type& state) const {
    HALFSTEP_UNROLL
    for (int i = 0; i < Vectors; ++i)
      if (is_inside(at, i)) state.x[i] = vector::load(weight.data() + corner + offset(at, i));
  }

  HALFSTEP_HD std::uint32_t largest_of(tile_place at, state_type const& state) const {
    std::uint32_t largest = 0;
    HALFSTEP_UNROLL
    for (int i = 0; i < Vectors; ++i) {
      std::uint32_t const p = is_inside(at, i) ? largest_in(state.x[i]) : 0;
      largest = p > largest ? p : largest;
    }
    return largest;
  }

  HALFSTEP_HD static std::uint32_t largest_of(shared_type const& shared) {
    std::uint32_t largest = 0;
    HALFSTEP_UNROLL
    for (int i = 0; i < Threads / 32; ++i) largest = shared.largest[i] > largest ? shared.largest[i] : largest;
    return largest;
  }

  HALFSTEP_HD void store(tile_place at, index_t corner, typename Layout::step_type step, state_type const& state) const {
    HALFSTEP_UNROLL
    for (int i = 0; i < Vectors; ++i) {
      if (!is_inside(at, i)) continue;
      index_t const element = corner + offset(at, i);
      index_t const in_tensor = weight.index_in_tensor(0, 0) + element;
      code_vector q;
      HALFSTEP_UNROLL
      for (int k = 0; k < width; ++k)
        q.value[k] = rounding(Layout::locate(halfstep::widen(state.x[i].value[k]), step), in_tensor + k);
      q.store(codes + element);
    }
  }
};

/// Groups of fewer vectors would leave most of a block idle: two passes are faster.
inline constexpr index_t fewest_vectors = 48;

/// Queues the single-pass kernel if a group fits into it, and returns whether it does.
template <class Layout, int Threads, int Vectors, class Executor, class Source, class Rounding>
bool try_fit_quantize(Executor const& ex, device_view<Source const> weight, device_view<value_range> ranges,
                      device_view<typename Layout::group_type> groups, device_view<typename Layout::code_type> codes,
                      Rounding rounding) {
  using tile = fit_quantize_tile<Layout, Rounding, Source, Threads, Vectors>;
  if constexpr (tile::capacity <= 32768) {  // 64 KiB of FP8 would need more registers than a block of 1024 threads has
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
    group_rectangles const rectangles{rows, columns, divider(static_cast<std::uint32_t>(e.columns / columns))};
    launch(ex,
           tile{weight, ranges.data(), groups.data(), codes.data(), rounding, rectangles, vector_grid(columns / tile::width),
                static_cast<int>(rows * columns / tile::width)},
           {count, Threads});
    return true;
  }
  return false;
}

}  // namespace detail

/// Fits a group to every group's range and stores the codes of all weights.
///
/// weight [M, N], whole rows of groups; `ranges` and `groups` as `Layout::groups` says, codes [M, N]: all three are written.
/// Equal to group_range, fit_groups and quantize one after the other, bit for bit. Reads the weight once where a group is an
/// aligned rectangle of 768 bytes to 64 KiB (32 KiB of FP8), else twice, the second time from its end, which is still in the
/// cache. Runs in stream order, allocates nothing. Throws shape_error, cuda_error. A weight that is not finite shows in `ranges`.
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
      if (e.count() > 0 && (detail::try_fit_quantize<Layout, 128, 4>(ex, weight, ranges, groups, codes, rounding) ||
                            detail::try_fit_quantize<Layout, 512, 4>(ex, weight, ranges, groups, codes, rounding) ||
                            detail::try_fit_quantize<Layout, 1024, 4>(ex, weight, ranges, groups, codes, rounding)))
        return;
      group_range_async<Layout>(ex, weight, ranges);
      fit_groups_async<Layout>(ex, device_view<value_range const>(ranges), groups);
    }
    quantize_async<Layout>(ex, weight, device_view<typename Layout::group_type const>(groups), codes, rounding,
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
