// The largest magnitude of every group on the device.
#pragma once

#include <algorithm>
#include <cstdint>

#include <halfstep/core/bits.hpp>
#include <halfstep/core/compiler.hpp>
#include <halfstep/core/magnitude.hpp>
#include <halfstep/core/matrix_view.hpp>
#include <halfstep/core/source.hpp>
#include <halfstep/device/element_tile.cuh>
#include <halfstep/device/packed_values.cuh>
#include <halfstep/device/warp_max.cuh>
#include <halfstep/exec/concept.hpp>
#include <halfstep/kernel/for_each_index.cuh>
#include <halfstep/kernel/group_range.hpp>
#include <halfstep/layout/concept.hpp>
#include <halfstep/layout/group_rows.hpp>

namespace halfstep {

namespace detail {

template <class Source, int Width>
HALFSTEP_HD std::uint32_t largest_in(vector_of<Source, Width> const& x) {
  typename magnitude<Source>::pattern largest = 0;
  HALFSTEP_UNROLL
  for (int k = 0; k < Width; ++k) {
    auto const p = magnitude<Source>::of(x.value[k]);
    largest = p > largest ? p : largest;
  }
  return static_cast<std::uint32_t>(bits(magnitude<Source>::value(largest)));
}

/// Raises the range of every vector's group. Most vectors of a block belong to the group of its first one: they meet in shared
/// memory and reach the range once a block.
template <class Layout, class Source, int Width>
struct range_tile {
  using vector = vector_of<Source, Width>;
  struct shared_type {
    std::uint32_t largest;
  };
  using state_type = tile_nothing;
  static constexpr int max_threads = 512;
  static constexpr int unroll = 4;

  Source const* from;
  std::uint32_t* ranges;
  extents2 extents;
  index_t vectors;
  vector_grid grid;
  int rounds;

  HALFSTEP_HD static constexpr int phases() { return 3; }

  HALFSTEP_HD void run(int phase, tile_place at, shared_type& shared, state_type&) const {
    index_t const start = at.block * at.threads * unroll * rounds;
    vector_place const origin = grid.find(start);
    index_t const home = group_of(origin);
    if (phase == 0) {
      if (at.thread == 0) shared.largest = 0;
    } else if (phase == 1) {
      gather(at, start, origin, home, shared);
    } else if (at.thread < 32) {
      raise(ranges, home, shared.largest);
    }
  }

 private:
  HALFSTEP_HD index_t group_of(vector_place place) const {
    return Layout::group_of(extents, place.row, index_t{place.vector} * Width);
  }

  HALFSTEP_HD void gather(tile_place at, index_t start, vector_place origin, index_t home, shared_type& shared) const {
    std::uint32_t largest = 0;
    for (int round = 0; round < rounds; ++round) {
      vector x[unroll];
      HALFSTEP_UNROLL
      for (int i = 0; i < unroll; ++i) {
        index_t const v = start + (round * unroll + i) * at.threads + at.thread;
        x[i] = vector::load(from + (v < vectors ? v : start) * Width);  // beyond the end the first vector once more: no harm
      }
      HALFSTEP_UNROLL
      for (int i = 0; i < unroll; ++i) {
        int const distance = (round * unroll + i) * at.threads + at.thread;
        index_t const group =
            start + distance < vectors ? group_of(grid.advance(origin, static_cast<std::uint32_t>(distance))) : home;
        std::uint32_t const p = largest_in(x[i]);
        if (group == home) largest = p > largest ? p : largest;
        raise(ranges, group, group == home ? 0 : p);
      }
    }
    raise(&shared.largest, 0, largest);
  }
};

template <class Layout, int Width, class Executor, class Source>
void launch_range(Executor const& ex, device_view<Source const> weight, std::uint32_t* ranges) {
  using tile = range_tile<Layout, Source, Width>;
  auto const [threads, rounds] = tune_reductions(ex.capability());
  index_t const vectors = weight.extents().count() / Width;
  index_t const block_vectors = index_t{threads} * tile::unroll * rounds;
  launch(ex, tile{weight.data(), ranges, weight.extents(), vectors, vector_grid(weight.columns() / Width), rounds},
         {(vectors + block_vectors - 1) / block_vectors, threads});
}

/// Raises one range to all vectors of a matrix.
template <class Source, int Width>
struct matrix_range_tile {
  using vector = vector_of<Source, Width>;
  static constexpr int max_threads = 256;
  static constexpr int unroll = 4;
  static constexpr int rounds = 4;
  static constexpr index_t vectors_of_block = index_t{max_threads} * unroll * rounds;
  struct shared_type {
    std::uint32_t largest[max_threads / 32];
  };
  using state_type = tile_nothing;

  Source const* from;
  std::uint32_t* range;
  index_t vectors;

  HALFSTEP_HD static constexpr int phases() { return 2; }

  HALFSTEP_HD void run(int phase, tile_place at, shared_type& shared, state_type&) const {
    if (phase == 0) {
      store_largest(shared.largest + at.thread / 32, at.thread, largest_of(at));
    } else if (at.thread < 32) {
      std::uint32_t largest = 0;
      HALFSTEP_UNROLL
      for (int i = 0; i < max_threads / 32; ++i) largest = shared.largest[i] > largest ? shared.largest[i] : largest;
      raise(range, 0, static_cast<std::uint32_t>(bits(magnitude_of<Source>(largest))));
    }
  }

 private:
  HALFSTEP_HD std::uint32_t largest_of(tile_place at) const {
    index_t const first = at.block * vectors_of_block + at.thread;
    Source const* const x = from + first * Width;
    index_t const left = vectors - first;
    running_largest<Source> largest;
    for (int round = 0; round < rounds; ++round) {
      vector v[unroll]{};
      HALFSTEP_UNROLL
      for (int i = 0; i < unroll; ++i) {
        int const distance = (round * unroll + i) * max_threads;
        if (distance < left) v[i] = vector::load(x + distance * Width);
      }
      HALFSTEP_UNROLL
      for (int i = 0; i < unroll; ++i) largest.add(v[i]);
    }
    return largest.pattern();
  }
};

/// Raises the range of a matrix that is one group: as many whole vectors as there are, then what is left.
template <int Width, class Executor, class Source>
void launch_matrix_range(Executor const& ex, Source const* from, index_t count, std::uint32_t* range) {
  using tile = matrix_range_tile<Source, Width>;
  index_t const vectors = count / Width;
  launch(ex, tile{from, range, vectors}, {(vectors + tile::vectors_of_block - 1) / tile::vectors_of_block, tile::max_threads});
  if (count > vectors * Width) launch_matrix_range<1>(ex, from + vectors * Width, count - vectors * Width, range);
}

struct clear_ranges {
  value_range* ranges;
  HALFSTEP_HD void operator()(index_t i) const { ranges[i] = {0.0f}; }
};

template <class Layout>
struct fit_each {
  value_range const* ranges;
  typename Layout::group_type* groups;
  HALFSTEP_HD void operator()(index_t i) const { groups[i] = Layout::fit(ranges[i]); }
};

}  // namespace detail

/// Stores the range of every group's weights, `ranges` being shaped as `Layout::groups` says.
///
/// weight [M, N], whole rows of groups. The maximum is taken over bit patterns, so NaN and infinity show as amax, and the
/// result is that of the host overload, bit for bit. A layout without groups has nothing to store. Runs in stream order.
/// Throws shape_error, cuda_error.
template <class Layout, device_executor Executor, source Source>
void group_range_async(Executor const& ex, device_view<Source const> weight, device_view<value_range> ranges) {
  if constexpr (check_layout<Layout>()) {
    static_assert(sizeof(value_range) == sizeof(std::uint32_t));
    extents2 const e = weight.extents();
    require_extents(ranges.extents(), Layout::groups(e), "halfstep: the output of group_range");
    require_even_groups<Layout>(e);
    for_each_index_async(ex, ranges.extents().count(), detail::clear_ranges{ranges.data()});
    if constexpr (has_groups<Layout>) {
      if (e.count() == 0) return;
      detail::require_columns(e);
      constexpr int width = detail::vector_width<Source, Source>;
      auto* const patterns = reinterpret_cast<std::uint32_t*>(ranges.data());
      if (ranges.extents().count() == 1) {
        if (detail::is_aligned<width>(weight.data()))
          detail::launch_matrix_range<width>(ex, weight.data(), e.count(), patterns);
        else
          detail::launch_matrix_range<1>(ex, weight.data(), e.count(), patterns);
      } else if (detail::is_aligned<width>(weight.data()) && Layout::run(e) % width == 0 && e.columns % width == 0)
        detail::launch_range<Layout, width>(ex, weight, patterns);
      else
        detail::launch_range<Layout, 1>(ex, weight, patterns);
    }
  }
}

/// Stores what `Layout::fit` makes of each range. Runs in stream order. Throws shape_error, cuda_error.
template <class Layout, device_executor Executor>
void fit_groups_async(Executor const& ex, device_view<value_range const> ranges,
                      device_view<typename Layout::group_type> groups) {
  require_extents(groups.extents(), ranges.extents(), "halfstep: the output of fit_groups");
  for_each_index_async(ex, ranges.extents().count(), detail::fit_each<Layout>{ranges.data(), groups.data()});
}

/// `group_range_async`, and waits for the executor.
template <class Layout, device_executor Executor, source Source>
void group_range(Executor const& ex, device_view<Source const> weight, device_view<value_range> ranges) {
  group_range_async<Layout>(ex, weight, ranges);
  ex.wait();
}

/// `fit_groups_async`, and waits for the executor.
template <class Layout, device_executor Executor>
void fit_groups(Executor const& ex, device_view<value_range const> ranges, device_view<typename Layout::group_type> groups) {
  fit_groups_async<Layout>(ex, ranges, groups);
  ex.wait();
}

}  // namespace halfstep
