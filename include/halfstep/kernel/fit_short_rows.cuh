// Groups and codes of rows so short that a few threads hold one: inputs cut into groups, heads of an attention.
#pragma once

#include <cstdint>
#include <limits>
#include <type_traits>

#include <halfstep/core/compiler.hpp>
#include <halfstep/core/matrix_view.hpp>
#include <halfstep/device/launch.cuh>
#include <halfstep/device/packed_values.cuh>
#include <halfstep/device/vector_access.cuh>
#include <halfstep/exec/concept.hpp>
#include <halfstep/kernel/int8_vectors.cuh>
#include <halfstep/layout/concept.hpp>
#include <halfstep/layout/geometry/per_row.hpp>

namespace halfstep::detail {

/// Finds the groups of rows of 4, 8, 16 or 32 vectors: that many neighbouring lanes hold a row, and every thread has vectors of
/// four rows.
template <class Layout, class Source>
struct fit_short_rows_tile {
  static constexpr int width = 16 / static_cast<int>(sizeof(Source));
  static constexpr int max_threads = 128;
  static constexpr int min_blocks = resident_threads<Source> / max_threads;
  static constexpr int vectors_of_thread = 4;
  static constexpr std::uint32_t vectors_of_block = max_threads * vectors_of_thread;
  using vector = vector_of<Source, width>;
  using four_patterns = vector_of<std::uint32_t, 4>;
  struct shared_type {
    alignas(16) std::uint32_t largest[vectors_of_thread][max_threads];
  };
  struct state_type {
    typename vector::word x[vectors_of_thread];
    std::uint32_t first;  ///< the thread's first vector, counted through the matrix
    int left;             ///< vectors from that one on
  };

  Source const* weight;
  value_range* ranges;
  typename Layout::group_type* groups;
  std::int8_t* codes;
  std::uint32_t vectors;  ///< below 2^31
  int log_lanes;          ///< of those that hold a row, the logarithm to base 2

  HALFSTEP_HD static constexpr int phases() { return 2; }
  HALFSTEP_HD static constexpr bool meets_in_warp(int) { return true; }

  HALFSTEP_HD void run(int phase, tile_place at, shared_type& shared, state_type& state) const {
    if (phase == 0) {
      state.first = static_cast<std::uint32_t>(at.block) * vectors_of_block + static_cast<std::uint32_t>(at.thread);
      state.left = kept_in_register(static_cast<int>(vectors - state.first));
      Source const* const first = kept_in_register(weight + index_t{state.first} * width);
      HALFSTEP_UNROLL
      for (int i = 0; i < vectors_of_thread; ++i) {
        state.x[i] = {};
        if (i * max_threads < state.left) state.x[i] = vector::load_word(first + i * max_threads * width);
      }
      HALFSTEP_UNROLL
      for (int i = 0; i < vectors_of_thread; ++i) {
        running_largest<Source> largest;
        largest.add(vector::of(state.x[i]));
        shared.largest[i][at.thread] = largest.pattern();
      }
    } else {
      std::int8_t* const first = kept_in_register(codes + index_t{state.first} * width);
      int const lanes = 1 << log_lanes, mine = at.thread & (lanes - 1);
      HALFSTEP_UNROLL
      for (int i = 0; i < vectors_of_thread; ++i) {
        value_range const range{magnitude_of<Source>(largest_of(shared.largest[i] + (at.thread - mine), lanes))};
        auto const group = fit_group<Layout>(range);
        if (i * max_threads >= state.left) continue;
        std::uint32_t const row = (state.first + i * max_threads) >> log_lanes;
        if (mine == 0) {
          ranges[row] = range;
          groups[row] = group;
        }
        nearest_codes<code_limits::kept>(vector::of(state.x[i]), unpack_fitted<Layout>(group))
            .store(first + i * max_threads * width);
      }
    }
  }

 private:
  HALFSTEP_HD static std::uint32_t largest_of(std::uint32_t const* patterns, int count) {
    std::uint32_t largest = 0;
    for (int k = 0; k < count; k += 4) {
      four_patterns const p = four_patterns::load(patterns + k);
      HALFSTEP_UNROLL
      for (int n = 0; n < 4; ++n) largest = p.value[n] > largest ? p.value[n] : largest;
    }
    return largest;
  }
};

/// Queues the kernel of short rows if the rows are, and returns whether they are.
template <class Layout, class Executor, class Source>
bool try_short_rows(Executor const& ex, device_view<Source const> weight, device_view<value_range> ranges,
                    device_view<typename Layout::group_type> groups, device_view<std::int8_t> codes) {
  using tile = fit_short_rows_tile<Layout, Source>;
  if constexpr (std::is_same_v<typename Layout::geometry, per_row> && numbers_groups_as_they_lie<Layout>) {
    index_t const vectors = weight.extents().count() / tile::width;
    for (int log_lanes = 2; log_lanes <= 5; ++log_lanes) {
      if (weight.columns() != index_t{tile::width} << log_lanes || vectors > std::numeric_limits<int>::max() - 65536) continue;
      if (!is_aligned<tile::width>(weight.data()) || !is_aligned<tile::width>(codes.data())) return false;
      launch(ex, tile{weight.data(), ranges.data(), groups.data(), codes.data(), static_cast<std::uint32_t>(vectors), log_lanes},
             {(vectors + tile::vectors_of_block - 1) / tile::vectors_of_block, tile::max_threads});
      return true;
    }
  }
  return false;
}

}  // namespace halfstep::detail
