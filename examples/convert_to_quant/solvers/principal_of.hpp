// The objective of learned rounding for one layer.
#pragma once

#include <string>

#include <halfstep/core/extents.hpp>
#include <halfstep/exec/any_host.hpp>
#include <halfstep/linalg/gemm.hpp>
#include <halfstep/objective/principal.hpp>
#include <halfstep/recipe/stage_table.hpp>

// The products that all of these solvers take; compiled in principal_of.cpp.
extern template void halfstep::gemm(halfstep::any_host const& ex, halfstep::host_view<float const> a, halfstep::operand how_a,
                                    halfstep::host_view<float const> b, halfstep::operand how_b, halfstep::host_view<float> c);

namespace convert_to_quant {

/// Returns the leading directions of a layer's weight, as many as the options say or as the weight has.
halfstep::principal principal_of(halfstep::layer_matrices const& layer, halfstep::stage_context const& context);

/// Returns how many those are, for reports.
std::string directions_in_words(halfstep::solve_options const& options, halfstep::extents2 e);

}  // namespace convert_to_quant
