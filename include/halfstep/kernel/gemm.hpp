// The product of two matrices on the host. The device overload is in gemm.cuh.
#pragma once

#include <halfstep/core/matrix_view.hpp>
#include <halfstep/exec/concept.hpp>
#include <halfstep/kernel/eigen.hpp>

namespace halfstep {

/// Stores c = a b.
///
/// a [M, K]; b [K, N]; c [M, N], apart from the inputs. FP32 through Eigen in tiles of a constant size: on one machine the same
/// bits for every number of threads. Throws shape_error.
template <host_executor Executor>
void gemm(Executor const& ex, host_view<float const> a, host_view<float const> b, host_view<float> c) {
  require_extents({1, b.rows()}, {1, a.columns()}, "halfstep: the inner extents of gemm");
  require_extents(c.extents(), {a.rows(), b.columns()}, "halfstep: the output of gemm");
  detail::for_each_product_tile(ex, c.extents(), [&](index_t row, index_t rows, index_t column, index_t columns) {
    detail::eigen_map(c).block(row, column, rows, columns).noalias() =
        detail::eigen_map(a.rows(row, rows)) * detail::eigen_map(b).middleCols(column, columns);
  });
}

}  // namespace halfstep
