// Another shape for the same quantized elements.
#pragma once

#include <concepts>
#include <string>
#include <utility>

#include <halfstep/core/error.hpp>
#include <halfstep/core/extents.hpp>
#include <halfstep/layout/concept.hpp>
#include <halfstep/tensor/quantized_tensor.hpp>

namespace halfstep {

/// Returns `q` with the shape `e`, its elements in the same order and on the same steps; nothing is copied.
///
/// Throws shape_error unless the number of elements agrees and every element keeps its group: any shape where all elements share
/// one step, otherwise the rows stay as they are.
template <class Layout, class Space, class Transform>
quantized_tensor<Layout, Space, Transform> view(quantized_tensor<Layout, Space, Transform>&& q, extents2 e) {
  require_extents({1, e.count()}, {1, q.extents().count()}, "halfstep: the number of elements of a view");
  bool const free_of_rows = std::same_as<Transform, identity> && (!has_groups<Layout> || Layout::groups(e).count() == 1);
  if (!(e == q.extents()) && !(free_of_rows && Layout::groups(q.extents()) == Layout::groups(e)))
    throw shape_error(
        stated("shape.moves_groups",
               "halfstep: a view of {rows} x {columns} would move elements of {layout} to other groups; dequantize first",
               {{"rows", e.rows}, {"columns", e.columns}, {"layout", Layout::name}}));
  Transform const basis = q.transform();
  dtype const type = q.source_type();
  auto [codes, groups] = std::move(q).release();
  return {e, std::move(codes), std::move(groups), basis, type};
}

}  // namespace halfstep
