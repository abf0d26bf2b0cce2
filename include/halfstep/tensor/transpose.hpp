// The transpose of a quantized tensor: codes and groups move, no number changes.
#pragma once

#include <algorithm>
#include <concepts>

#include <halfstep/core/buffer.hpp>
#include <halfstep/core/matrix_view.hpp>
#include <halfstep/exec/concept.hpp>
#include <halfstep/layout/transposed.hpp>
#include <halfstep/tensor/quantized_tensor.hpp>

namespace halfstep {

namespace detail {

/// Square tiles, so that both sides are read and written by cache lines.
template <class Executor, class T>
void transpose_into(Executor const& ex, host_view<T const> from, host_view<T> to) {
  constexpr index_t side = 64;
  ex.for_each((from.rows() + side - 1) / side, [&](index_t tile) {
    index_t const end = std::min(from.rows(), (tile + 1) * side);
    for (index_t left = 0; left < from.columns(); left += side)
      for (index_t column = left; column < std::min(from.columns(), left + side); ++column)
        for (index_t row = tile * side; row < end; ++row) to(column, row) = from(row, column);
  });
}

}  // namespace detail

/// Returns W^T for the W that `q` stands for: the same codes and groups, each transposed.
///
/// The result's layout is `transpose_of<Layout>`: a block layout stays what it is, a row's scales become a column's.
template <host_executor Executor, class Layout>
quantized_tensor<typename transpose_of<Layout>::type, host_space> transpose(Executor const& ex,
                                                                            quantized_tensor<Layout, host_space> const& q) {
  quantized_tensor<typename transpose_of<Layout>::type, host_space> result(q.extents().transposed(), {}, q.source_type());
  detail::transpose_into(ex, q.codes(), result.codes());
  if constexpr (has_groups<Layout>) detail::transpose_into(ex, q.groups(), result.groups());
  return result;
}

}  // namespace halfstep
