// Hadamard transforms of a matrix's rows on the device.
#pragma once

#include <cmath>

#include <halfstep/core/compiler.hpp>
#include <halfstep/core/ieee_float.hpp>
#include <halfstep/core/matrix_view.hpp>
#include <halfstep/core/source.hpp>
#include <halfstep/device/launch.cuh>
#include <halfstep/device/vector_access.cuh>
#include <halfstep/exec/concept.hpp>
#include <halfstep/kernel/for_each_index.cuh>
#include <halfstep/kernel/hadamard.hpp>
#include <halfstep/kernel/hadamard_tile.cuh>

namespace halfstep {

namespace detail {

/// The stages of strides `stride` to 8 `stride` of groups that are larger than a tile, in place.
struct wide_butterfly {
  float* x;
  index_t stride;
  index_t group;
  float scale;

  /// `i` counts the sets of 16 values, or fewer at the end of the group, that meet in these stages.
  HALFSTEP_HD void operator()(index_t i) const {
    int const values = group / stride < 16 ? static_cast<int>(group / stride) : 16;
    float* const first = x + i / stride * stride * values + i % stride;
    float y[16];
    HALFSTEP_UNROLL
    for (int k = 0; k < 16; ++k) y[k] = k < values ? first[k * stride] : 0.0f;
    HALFSTEP_UNROLL
    for (int step = 1; step < 16; step *= 2) {
      if (step >= values) break;
      HALFSTEP_UNROLL
      for (int n = 0; n < 8; ++n) {
        int const k = n / step * 2 * step + n % step;
        ieee_float const a = y[k], b = y[k + step];
        y[k] = static_cast<float>(a + b);
        y[k + step] = static_cast<float>(a - b);
      }
    }
    HALFSTEP_UNROLL
    for (int k = 0; k < 16; ++k)
      if (k < values) first[k * stride] = static_cast<float>(ieee_float{y[k]} * scale);
  }
};

/// Queues the tile of 2^Bits elements, which does the stages that `Exchanges` allow.
template <class Stages, int Bits, int Exchanges, int Width, int Known, class Executor, class Source>
void launch_hadamard(Executor const& ex, device_view<Source const> from, device_view<float> to, index_t group, float scale) {
  using tile = hadamard_tile<Source, Stages, Bits, Exchanges, Width, Known>;
  index_t const count = from.extents().count();
  launch(ex, tile{from.data(), to.data(), count, group, scale},
         {(count + tile::elements - 1) / tile::elements, tile::max_threads});
}

/// Queues the stages of strides below 2048.
template <class Stages, class Executor, class Source>
void launch_short_hadamard(Executor const& ex, device_view<Source const> from, device_view<float> to, index_t group,
                           float scale) {
  if constexpr (sizeof(Source) <= 4) {
    if (is_aligned<4>(from.data()) && from.extents().count() % 4 == 0)
      return launch_hadamard<Stages, 12, 2, 4, 0>(ex, from, to, group, scale);
  }
  launch_hadamard<Stages, 12, 2, 1, 0>(ex, from, to, group, scale);
}

/// Queues the first stages, as many as one pass can do, and returns the stride of the first that is left.
template <class Executor>
index_t launch_butterflies(Executor const& ex, device_view<float> x, index_t group, float scale) {
  device_view<float const> const from(x);
  if (!is_aligned<4>(x.data()) || group < 128) {
    launch_short_hadamard<butterfly_stages>(ex, from, x, group, group > 2048 ? 1.0f : scale);
    return 2048;
  }
  switch (group) {
    case 128:
      launch_hadamard<butterfly_stages, 12, 2, 4, 128>(ex, from, x, group, scale);
      break;
    case 256:
      launch_hadamard<butterfly_stages, 12, 2, 4, 256>(ex, from, x, group, scale);
      break;
    case 512:
      launch_hadamard<butterfly_stages, 12, 2, 4, 512>(ex, from, x, group, scale);
      break;
    case 1024:
      launch_hadamard<butterfly_stages, 12, 2, 4, 1024>(ex, from, x, group, scale);
      break;
    case 2048:
      launch_hadamard<butterfly_stages, 12, 2, 4, 2048>(ex, from, x, group, scale);
      break;
    case 4096:
      launch_hadamard<butterfly_stages, 12, 3, 4, 4096>(ex, from, x, group, scale);
      break;
    case 8192:
      launch_hadamard<butterfly_stages, 13, 3, 4, 8192>(ex, from, x, group, scale);
      break;
    default:
      launch_hadamard<butterfly_stages, 14, 3, 4, 16384>(ex, from, x, group, group > 16384 ? 1.0f : scale);
  }
  return 16384;
}

}  // namespace detail

/// Stores every row with its groups of `group` neighbouring columns multiplied by the regular Hadamard matrix of that size.
///
/// As the host overload says, and the same bits. `from` and `to` may be the same memory where `Source` is float. Runs in stream
/// order, reads and writes every element once. Throws shape_error, cuda_error.
template <device_executor Executor, source Source>
void hadamard_regular_async(Executor const& ex, device_view<Source const> from, device_view<float> to, int group) {
  require_extents(to.extents(), from.extents(), "halfstep: the output of hadamard_regular");
  bool const power = group == 4 || group == 16 || group == 64 || group == 256 || group == 1024;
  if (!power || from.columns() % group != 0) detail::refuse_group(from.columns(), group, "a power of four from 4 to 1024");
  detail::launch_short_hadamard<detail::regular_stages>(ex, from, to, group, 1.0f);
}

/// Multiplies, in place, every group of `group` neighbouring columns by the Sylvester Hadamard matrix over sqrt(group).
///
/// As the host overload says, and the same bits. Runs in stream order; one pass over the matrix for groups of up to 16384, one
/// more for every factor of 16; where the address is no multiple of 16 bytes, one pass up to 2048. Throws shape_error,
/// cuda_error.
template <device_executor Executor>
void hadamard_async(Executor const& ex, device_view<float> x, int group) {
  bool const power = group > 0 && (group & (group - 1)) == 0;
  if (!power || x.columns() % group != 0) detail::refuse_group(x.columns(), group, "a power of two");
  float const scale = static_cast<float>(1.0 / std::sqrt(static_cast<double>(group)));
  index_t stride = detail::launch_butterflies(ex, x, group, scale);
  for (; stride < group; stride *= 16) {
    bool const is_last = stride * 16 >= group;
    index_t const values = is_last ? group / stride : 16;
    for_each_index_async(ex, x.extents().count() / values,
                         detail::wide_butterfly{x.data(), stride, group, is_last ? scale : 1.0f});
  }
}

/// `hadamard_regular_async`, and waits for the executor.
template <device_executor Executor, source Source>
void hadamard_regular(Executor const& ex, device_view<Source const> from, device_view<float> to, int group) {
  hadamard_regular_async(ex, from, to, group);
  ex.wait();
}

/// `hadamard_async`, and waits for the executor.
template <device_executor Executor>
void hadamard(Executor const& ex, device_view<float> x, int group) {
  hadamard_async(ex, x, group);
  ex.wait();
}

}  // namespace halfstep
