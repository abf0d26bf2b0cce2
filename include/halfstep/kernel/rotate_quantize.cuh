// Rotation, groups and codes of a weight's rows on the device, reading them once: ConvRot.
#pragma once

#include <cstdint>
#include <type_traits>

#include <halfstep/core/compiler.hpp>
#include <halfstep/core/matrix_view.hpp>
#include <halfstep/core/source.hpp>
#include <halfstep/device/launch.cuh>
#include <halfstep/device/packed_values.cuh>
#include <halfstep/device/vector_access.cuh>
#include <halfstep/device/warp_max.cuh>
#include <halfstep/exec/concept.hpp>
#include <halfstep/kernel/hadamard_tile.cuh>
#include <halfstep/kernel/int8_vectors.cuh>
#include <halfstep/layout/concept.hpp>
#include <halfstep/layout/geometry/per_row.hpp>
#include <halfstep/rounding/nearest.hpp>

namespace halfstep {

namespace detail {

/// Rotates a row a block and finds its group; the rotated row stays in registers.
///
/// A warp takes 512 neighbours a round, 16 a thread: four times four neighbours for stride 1, then every fourth of 64 for strides
/// 4 and 16, then four times four neighbours again, 64 apart, for stride 64. The exchanges are the warp's own.
template <class Layout, class Source, int Threads, int Rounds>
struct rotate_quantize_tile {
  static constexpr int max_threads = Threads;
  static constexpr int min_blocks = Rounds > 2 ? 1 : 1024 / Threads;
  static constexpr int elements_of_warp = 512;
  static constexpr index_t capacity = index_t{Threads} / 32 * elements_of_warp * Rounds;  ///< elements
  using vector = vector_of<Source, 4>;
  using wide_vector = vector_of<float, 4>;
  struct shared_type {
    alignas(16) float x[Threads / 32][elements_of_warp / 64 * 68];
    alignas(16) std::uint32_t largest[Threads / 32];
  };
  struct state_type {
    vector x[Rounds][4];
    wide_vector y[Rounds][4];
    float largest;
  };

  device_view<Source const> weight;
  value_range* ranges;
  typename Layout::group_type* groups;
  std::int8_t* codes;

  HALFSTEP_HD static constexpr int phases() { return 3 * Rounds + 1; }
  HALFSTEP_HD static constexpr bool meets_in_warp(int phase) { return phase < 3 * Rounds; }

  HALFSTEP_HD void run(int phase, tile_place at, shared_type& shared, state_type& state) const {
    auto const lane = static_cast<unsigned>(at.thread) % 32, warp = static_cast<unsigned>(at.thread) / 32;
    float* const exchange = shared.x[warp];
    if (phase == 0) {
      load(at, lane, warp, state);
      state.largest = 0.0f;
      if (at.thread == 0) {
        HALFSTEP_UNROLL
        for (int i = 1; i < Threads / 32; ++i)
          if (i >= at.threads / 32) shared.largest[i] = 0;  // of warps that there are not
      }
    }
    if (phase == 3 * Rounds) {
      finish(at, lane, warp, shared, state);
    } else if (phase % 3 == 0) {
      rotate_neighbours(exchange + 4 * lane + lane / 16 * 4, state.x[phase / 3]);
    } else if (phase % 3 == 1) {
      rotate_fourths(exchange + lane % 4 + lane / 4 * 68);
    } else {
      rotate_last(exchange + lane % 16 * 4 + lane / 16 * 272, state.y[phase / 3], state.largest);
      if (phase == 3 * Rounds - 1)
        store_largest(shared.largest + warp, at.thread, static_cast<std::uint32_t>(bits(state.largest)));
    }
  }

 private:
  HALFSTEP_HD void load(tile_place at, unsigned lane, unsigned warp, state_type& state) const {
    unsigned const column = warp * elements_of_warp * Rounds + 4 * lane;
    Source const* const first = kept_in_register(weight.row(at.block) + column);
    int const left = kept_in_register(static_cast<int>(weight.columns()) - static_cast<int>(column));
    HALFSTEP_UNROLL
    for (int round = 0; round < Rounds; ++round) {
      HALFSTEP_UNROLL
      for (int c = 0; c < 4; ++c) {
        int const further = round * elements_of_warp + 128 * c;
        state.x[round][c] = {};
        if (further < left) state.x[round][c] = vector::load(first + further);
      }
    }
  }

  // Of every 64 elements in an exchange the last is followed by four of padding: no two lanes meet in a bank.

  /// `first`: the place of the lane's element 0, the others being 128 further each.
  HALFSTEP_HD static void rotate_neighbours(float* first, vector const (&x)[4]) {
    HALFSTEP_UNROLL
    for (int c = 0; c < 4; ++c) {
      wide_vector y;
      widen_vector(x[c], y.value);
      rotate_four(y.value[0], y.value[1], y.value[2], y.value[3]);
      y.keep(first + 136 * c);
    }
  }

  /// `first`: the place of the lane's element 0, the others being four further each.
  HALFSTEP_HD static void rotate_fourths(float* first) {
    float x[16];
    HALFSTEP_UNROLL
    for (int i = 0; i < 16; ++i) x[i] = first[4 * i];
    HALFSTEP_UNROLL
    for (int i = 0; i < 16; i += 4) rotate_four(x[i], x[i + 1], x[i + 2], x[i + 3]);
    HALFSTEP_UNROLL
    for (int i = 0; i < 4; ++i) rotate_four(x[i], x[i + 4], x[i + 8], x[i + 12]);
    HALFSTEP_UNROLL
    for (int i = 0; i < 16; ++i) first[4 * i] = x[i];
  }

  /// `first`: the place of the lane's element 0, the others being 64 further each.
  HALFSTEP_HD static void rotate_last(float const* first, wide_vector (&y)[4], float& largest) {
    HALFSTEP_UNROLL
    for (int c = 0; c < 4; ++c) y[c] = wide_vector::load(first + 68 * c);
    HALFSTEP_UNROLL
    for (int k = 0; k < 4; ++k) rotate_four(y[0].value[k], y[1].value[k], y[2].value[k], y[3].value[k]);
    HALFSTEP_UNROLL
    for (int c = 0; c < 4; ++c) {
      HALFSTEP_UNROLL
      for (int k = 0; k < 4; ++k) largest = larger_magnitude(largest, y[c].value[k]);
    }
  }

  HALFSTEP_HD void finish(tile_place at, unsigned lane, unsigned warp, shared_type const& shared, state_type const& state) const {
    std::uint32_t largest = 0;
    HALFSTEP_UNROLL
    for (int i = 0; i < Threads / 32; ++i) largest = shared.largest[i] > largest ? shared.largest[i] : largest;
    value_range const range{float_of(largest)};
    auto const found = fit_group<Layout>(range);
    if (at.thread == 0) {
      ranges[at.block] = range;
      groups[at.block] = found;
    }
    auto const step = unpack_fitted<Layout>(found);
    unsigned const column = warp * elements_of_warp * Rounds + lane / 16 * 256 + lane % 16 * 4;
    std::int8_t* const first = kept_in_register(codes + at.block * weight.columns() + column);
    int const left = kept_in_register(static_cast<int>(weight.columns()) - static_cast<int>(column));
    HALFSTEP_UNROLL
    for (int round = 0; round < Rounds; ++round) {
      HALFSTEP_UNROLL
      for (int c = 0; c < 4; ++c) {
        int const further = round * elements_of_warp + 64 * c;
        auto const q = nearest_codes<code_limits::kept>(state.y[round][c], step);
        if (further < left) q.store(first + further);
      }
    }
  }
};

template <class Layout, int Threads, int Rounds, class Executor, class Source>
bool try_rotate_quantize(Executor const& ex, device_view<Source const> weight, device_view<value_range> ranges,
                         device_view<typename Layout::group_type> groups, device_view<std::int8_t> codes) {
  using tile = rotate_quantize_tile<Layout, Source, Threads, Rounds>;
  index_t const columns = weight.columns();
  if (columns > tile::capacity) return false;
  index_t const of_warp = index_t{tile::elements_of_warp} * Rounds;
  launch(ex, tile{weight, ranges.data(), groups.data(), codes.data()},
         {weight.rows(), static_cast<int>((columns + of_warp - 1) / of_warp) * 32});
  return true;
}

}  // namespace detail

/// Rotates groups of `group` neighbouring columns as `hadamard_regular` does, fits a scale to every rotated row and stores the
/// nearest codes, all in one pass; returns false, having stored nothing, where there is no such pass.
///
/// weight [M, N]; `ranges`, `groups` [M, 1] and codes [M, N] are written: the bits of hadamard_regular, then fit_quantize. There
/// is a pass for a layout of INT8 codes with a scale a row, groups of 256, rows of at most 24576 columns and addresses that are
/// multiples of four elements. Runs in stream order, allocates nothing. Throws shape_error, cuda_error.
template <class Layout, device_executor Executor, source Source>
bool rotate_quantize_async(Executor const& ex, device_view<Source const> weight, device_view<value_range> ranges,
                           device_view<typename Layout::group_type> groups, device_view<typename Layout::code_type> codes,
                           int group) {
  static_assert(check_layout<Layout>());
  if constexpr (detail::fits_to_last_code<Layout> && detail::packs_codes<Layout, nearest, Source>) {
    if constexpr (std::is_same_v<typename Layout::geometry, per_row>) {
      extents2 const e = weight.extents();
      require_extents(ranges.extents(), Layout::groups(e), "halfstep: the ranges of rotate_quantize");
      require_extents(groups.extents(), Layout::groups(e), "halfstep: the groups of rotate_quantize");
      require_extents(codes.extents(), e, "halfstep: the codes of rotate_quantize");
      if (group != 256 || e.count() == 0 || e.columns % group != 0) return false;
      if (!detail::is_aligned<4>(weight.data()) || !detail::is_aligned<4>(codes.data())) return false;
      return detail::try_rotate_quantize<Layout, 128, 2>(ex, weight, ranges, groups, codes) ||
             detail::try_rotate_quantize<Layout, 256, 2>(ex, weight, ranges, groups, codes) ||
             detail::try_rotate_quantize<Layout, 512, 2>(ex, weight, ranges, groups, codes) ||
             detail::try_rotate_quantize<Layout, 512, 3>(ex, weight, ranges, groups, codes);
    }
  }
  return false;
}

}  // namespace halfstep
