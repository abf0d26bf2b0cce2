// The product of two matrices on the host. The device overload of c = a b is in gemm.cuh.
#pragma once

#include <cstdint>

#include <halfstep/core/matrix_view.hpp>
#include <halfstep/exec/concept.hpp>
#include <halfstep/linalg/eigen.hpp>

namespace halfstep {

/// How a matrix enters a product.
enum class operand : std::uint8_t { plain, transposed };

namespace detail {

constexpr extents2 as_operand(extents2 e, operand how) { return how == operand::plain ? e : extents2{e.columns, e.rows}; }

}  // namespace detail

/// Stores c = op(a) op(b), where op is the matrix itself or its transpose.
///
/// op(a) [M, K]; op(b) [K, N]; c [M, N], apart from the inputs. FP32 through Eigen in tiles of a constant size: on one machine
/// the same bits for every number of threads. Throws shape_error.
template <host_executor Executor>
void gemm(Executor const& ex, host_view<float const> a, operand how_a, host_view<float const> b, operand how_b,
          host_view<float> c) {
  extents2 const left = detail::as_operand(a.extents(), how_a);
  extents2 const right = detail::as_operand(b.extents(), how_b);
  require_extents({1, right.rows}, {1, left.columns}, "halfstep: the inner extents of gemm");
  require_extents(c.extents(), {left.rows, right.columns}, "halfstep: the output of gemm");
  auto const x = detail::eigen_map(a);
  auto const y = detail::eigen_map(b);
  detail::for_each_product_tile(ex, c.extents(), [&](index_t row, index_t rows, index_t column, index_t columns) {
    auto tile = detail::eigen_map(c).block(row, column, rows, columns);
    if (how_a == operand::plain && how_b == operand::plain)
      tile.noalias() = x.middleRows(row, rows) * y.middleCols(column, columns);
    else if (how_a == operand::plain)
      tile.noalias() = x.middleRows(row, rows) * y.middleRows(column, columns).transpose();
    else if (how_b == operand::plain)
      tile.noalias() = x.middleCols(row, rows).transpose() * y.middleCols(column, columns);
    else
      tile.noalias() = x.middleCols(row, rows).transpose() * y.middleRows(column, columns).transpose();
  });
}

/// Stores c = a b; otherwise as above.
template <host_executor Executor>
void gemm(Executor const& ex, host_view<float const> a, host_view<float const> b, host_view<float> c) {
  gemm(ex, a, operand::plain, b, operand::plain, c);
}

}  // namespace halfstep
