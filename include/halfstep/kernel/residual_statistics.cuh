// How far a matrix's codes are from its weights, on the device.
#pragma once

#include <cstdint>
#include <vector>

#include <halfstep/core/arithmetic.hpp>
#include <halfstep/core/bits.hpp>
#include <halfstep/core/compiler.hpp>
#include <halfstep/core/ieee_float.hpp>
#include <halfstep/core/matrix_view.hpp>
#include <halfstep/core/source.hpp>
#include <halfstep/device/launch.cuh>
#include <halfstep/exec/concept.hpp>
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

/// One tile of rows a block: every thread sums its columns, sixteen threads add sixteen threads each, one adds those.
template <class Layout, class Source>
struct residual_tile {
  static constexpr int max_threads = 256;
  static constexpr int min_blocks = 3;
  struct shared_type {
    residual_part part[max_threads];
  };
  using state_type = tile_nothing;

  device_view<Source const> weight;
  typename Layout::code_type const* codes;
  typename Layout::group_type const* groups;
  residual_part* parts;

  HALFSTEP_HD static constexpr int phases() { return 3; }

  HALFSTEP_HD void run(int phase, tile_place at, shared_type& shared, state_type&) const {
    if (phase == 0) {
      shared.part[at.thread] = part_of(at);
    } else if (phase == 1 && at.thread < 16) {
      for (int i = 1; i < 16; ++i) shared.part[at.thread * 16].add(shared.part[at.thread * 16 + i]);
    } else if (phase == 2 && at.thread == 0) {
      for (int i = 1; i < 16; ++i) shared.part[0].add(shared.part[i * 16]);
      parts[at.block] = shared.part[0];
    }
  }

 private:
  HALFSTEP_HD residual_part part_of(tile_place at) const {
    extents2 const e = weight.extents();
    index_t const run = Layout::run(e);
    index_t const first = at.block * residual_tile_rows;
    index_t const end = first + residual_tile_rows < e.rows ? first + residual_tile_rows : e.rows;
    residual_part part{};
    for (index_t row = first; row < end; ++row)
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

}  // namespace detail

/// Returns what is off, one partial result for each `residual_tile_rows` rows: add them in order for the whole matrix.
///
/// As the host overload says, but in FP64 and with errors rounded once after the product: within 1e-5 of the host's figures,
/// relative, where errors are not mere rounding, and the same bits on every device. Waits for the stream; allocates 32 bytes of
/// device memory a tile. Throws shape_error, cuda_error.
template <class Layout, device_executor Executor, source Source>
std::vector<residual_statistics> measure_residual(Executor const& ex, device_view<Source const> weight,
                                                  device_view<typename Layout::code_type const> codes,
                                                  device_view<typename Layout::group_type const> groups) {
  static_assert(check_layout<Layout>());
  using tile = detail::residual_tile<Layout, Source>;
  extents2 const e = weight.extents();
  require_extents(codes.extents(), e, "halfstep: the codes given to measure_residual");
  require_extents(groups.extents(), Layout::groups(e), "halfstep: the groups given to measure_residual");
  index_t const tiles = (e.rows + residual_tile_rows - 1) / residual_tile_rows;
  auto parts = ex.template allocate<detail::residual_part>(tiles);
  launch(ex, tile{weight, codes.data(), groups.data(), parts.data()}, {tiles, tile::max_threads});
  std::vector<detail::residual_part> here(static_cast<std::size_t>(tiles));
  ex.read(static_cast<detail::residual_part const*>(parts.data()), here.data(), tiles);
  std::vector<residual_statistics> result;
  for (auto const& p : here)
    result.push_back({p.weight_square, p.error_square, p.product, float_of(static_cast<std::uint32_t>(p.max_error)), p.clipped});
  return result;
}

}  // namespace halfstep
