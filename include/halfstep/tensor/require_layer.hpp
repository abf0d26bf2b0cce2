// The shapes of a layer's product.
#pragma once

#include <halfstep/core/error.hpp>
#include <halfstep/core/extents.hpp>
#include <halfstep/core/matrix_view.hpp>

namespace halfstep::detail {

/// Throws shape_error unless input, bias and output are those of a layer whose weight has the shape `e`.
template <class Space>
void require_layer(extents2 e, matrix_view<float const, Space> x, matrix_view<float const, Space> bias,
                   matrix_view<float, Space> y) {
  require_extents({1, x.columns()}, {1, e.columns}, "halfstep: the columns of weight and input in linear");
  require_extents(y.extents(), {x.rows(), e.rows}, "halfstep: the output of linear");
  if (bias.extents().count() != 0) require_extents(bias.extents(), {1, e.rows}, "halfstep: the bias of linear");
}

/// Throws shape_error unless `a` is a row or a matrix that can be added to y.
template <class Space>
void require_addend(matrix_view<float const, Space> a, matrix_view<float, Space> y) {
  if (a.rows() != 1) require_extents(a.extents(), y.extents(), "halfstep: the addend of addmm");
  require_extents({1, a.columns()}, {1, y.columns()}, "halfstep: the columns of the addend of addmm");
}

}  // namespace halfstep::detail
