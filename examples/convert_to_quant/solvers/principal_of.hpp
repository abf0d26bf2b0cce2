// The objective of learned rounding for one layer.
#pragma once

#include <utility>

#include <halfstep/linalg/singular.hpp>
#include <halfstep/objective/principal.hpp>
#include <halfstep/recipe/stage_table.hpp>

namespace convert_to_quant {

/// Returns the leading directions of a layer's weight, as many as the options say or as the weight has.
inline halfstep::principal principal_of(halfstep::layer_matrices const& layer, halfstep::stage_context const& context) {
  auto const e = layer.weight.extents();
  auto const k = context.options.rank(e);
  auto found = context.options.svd == halfstep::svd_kind::exact
                   ? halfstep::exact_singular_vectors(layer.weight, k)
                   : halfstep::leading_singular_vectors(context.team, layer.weight, k, context.random);
  auto const rank = found.rank();
  return {std::move(found.u), std::move(found.v), e.rows, e.columns, rank};
}

}  // namespace convert_to_quant
