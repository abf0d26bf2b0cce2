// Singular vectors, which take a compiler longer than the solvers that ask for them.
#include "principal_of.hpp"

#include <utility>

#include <halfstep/linalg/singular.hpp>

template void halfstep::gemm(halfstep::any_host const& ex, halfstep::host_view<float const> a, halfstep::operand how_a,
                             halfstep::host_view<float const> b, halfstep::operand how_b, halfstep::host_view<float> c);

namespace convert_to_quant {

halfstep::principal principal_of(halfstep::layer_matrices const& layer, halfstep::stage_context const& context) {
  auto const e = layer.weight.extents();
  auto const k = context.options.rank(e);
  auto found = context.options.svd == halfstep::svd_kind::exact
                   ? halfstep::exact_singular_vectors(context.team, layer.weight, k)
                   : halfstep::leading_singular_vectors(context.team, layer.weight, k, context.random);
  auto const rank = found.rank();
  return {std::move(found.u), std::move(found.v), e.rows, e.columns, rank};
}

std::string directions_in_words(halfstep::solve_options const& options, halfstep::extents2 e) {
  return "k = " + std::to_string(options.rank(e));
}

}  // namespace convert_to_quant
