// Singular vectors, which take a compiler longer than the solvers that ask for them.
#include "principal_of.hpp"

#include <utility>

#include <halfstep/linalg/singular.hpp>

namespace convert_to_quant {

halfstep::principal principal_of(halfstep::layer_matrices const& layer, halfstep::stage_context const& context) {
  auto const e = layer.weight.extents();
  auto const k = context.options.rank(e);
  auto found = context.options.svd == halfstep::svd_kind::exact
                   ? halfstep::exact_singular_vectors(layer.weight, k)
                   : halfstep::leading_singular_vectors(context.team, layer.weight, k, context.random);
  auto const rank = found.rank();
  return {std::move(found.u), std::move(found.v), e.rows, e.columns, rank};
}

}  // namespace convert_to_quant
