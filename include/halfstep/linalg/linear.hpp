// A layer's product on the host. The device overload is in linear.cuh.
#pragma once

#include <halfstep/core/matrix_view.hpp>
#include <halfstep/exec/concept.hpp>
#include <halfstep/linalg/eigen.hpp>

namespace halfstep {

/// Stores y = x W^T + b.
///
/// x [B, N]; weight [M, N]; bias [1, M], or empty for none; y [B, M], apart from the inputs. FP32 through Eigen in tiles of a
/// constant size: on one machine the same bits for every number of threads. Throws shape_error.
template <host_executor Executor>
void linear(Executor const& ex, host_view<float const> x, host_view<float const> weight, host_view<float const> bias,
            host_view<float> y) {
  require_extents({1, weight.columns()}, {1, x.columns()}, "halfstep: the columns of weight and input in linear");
  require_extents(y.extents(), {x.rows(), weight.rows()}, "halfstep: the output of linear");
  if (bias.extents().count() != 0) require_extents(bias.extents(), {1, weight.rows()}, "halfstep: the bias of linear");
  detail::for_each_product_tile(ex, y.extents(), [&](index_t row, index_t rows, index_t column, index_t columns) {
    auto out = detail::eigen_map(y).block(row, column, rows, columns);
    out.noalias() = detail::eigen_map(x.rows(row, rows)) * detail::eigen_map(weight.rows(column, columns)).transpose();
    if (bias.extents().count() != 0) out.rowwise() += detail::eigen_map(bias).row(0).segment(column, columns);
  });
}

}  // namespace halfstep
