// Weights of any type to FP32 and back, on the host. The device overloads are in widen.cuh.
#pragma once

#include <halfstep/core/matrix_view.hpp>
#include <halfstep/core/source.hpp>
#include <halfstep/exec/concept.hpp>
#include <halfstep/kernel/row_tiles.hpp>

namespace halfstep {

/// Stores every element of `from` in FP32: exact, but for FP64, which is rounded.
///
/// Throws shape_error where the shapes differ.
template <host_executor Executor, source Source>
void widen(Executor const& ex, host_view<Source const> from, host_view<float> to) {
  require_extents(to.extents(), from.extents(), "halfstep: the output of widen");
  row_tiles const tiles(from.extents());
  ex.for_each(tiles.count(), [&](index_t tile) {
    auto const in = from.rows(tiles.first(tile), tiles.rows(tile));
    Source const* const x = in.data();
    float* const y = to.row(tiles.first(tile));
    for (index_t i = 0; i < in.extents().count(); ++i) y[i] = widen(x[i]);
  });
}

/// Stores every element of `from` as a `Target`, ties to even; what a magnitude beyond the target's range becomes is said at
/// its `to_..` function.
///
/// Throws shape_error where the shapes differ.
template <host_executor Executor, source Target>
void narrow(Executor const& ex, host_view<float const> from, host_view<Target> to) {
  require_extents(to.extents(), from.extents(), "halfstep: the output of narrow");
  row_tiles const tiles(from.extents());
  ex.for_each(tiles.count(), [&](index_t tile) {
    auto const in = from.rows(tiles.first(tile), tiles.rows(tile));
    float const* const x = in.data();
    Target* const y = to.row(tiles.first(tile));
    for (index_t i = 0; i < in.extents().count(); ++i) y[i] = narrow<Target>(x[i]);
  });
}

}  // namespace halfstep
