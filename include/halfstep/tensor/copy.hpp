// Copies of quantized tensors in host memory. Copies from and to a device are in copy_cuda.hpp.
#pragma once

#include <algorithm>

#include <halfstep/core/matrix_view.hpp>
#include <halfstep/exec/concept.hpp>
#include <halfstep/kernel/row_tiles.hpp>
#include <halfstep/tensor/quantized_tensor.hpp>

namespace halfstep {

/// Stores the elements of `from` in `to`. Throws shape_error.
template <host_executor Executor, class T>
void copy(Executor const& ex, host_view<T const> from, host_view<T> to) {
  require_extents(to.extents(), from.extents(), "halfstep: the target of a copy");
  row_tiles const tiles(from.extents());
  ex.for_each(tiles.count(), [&](index_t tile) {
    auto const piece = from.rows(tiles.first(tile), tiles.rows(tile));
    std::copy_n(piece.data(), piece.extents().count(), to.row(tiles.first(tile)));
  });
}

/// Returns a second quantized tensor with the codes, groups and transform of `q`.
template <host_executor Executor, class Layout, class Transform>
quantized_tensor<Layout, host_space, Transform> copy(Executor const& ex,
                                                     quantized_tensor<Layout, host_space, Transform> const& q) {
  quantized_tensor<Layout, host_space, Transform> result(q.extents(), q.transform(), q.source_type());
  copy(ex, q.codes(), result.codes());
  if constexpr (has_groups<Layout>) copy(ex, q.groups(), result.groups());
  return result;
}

}  // namespace halfstep
