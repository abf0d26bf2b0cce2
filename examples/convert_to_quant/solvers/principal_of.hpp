// The objective of learned rounding for one layer.
#pragma once

#include <halfstep/objective/principal.hpp>
#include <halfstep/recipe/stage_table.hpp>

namespace convert_to_quant {

/// Returns the leading directions of a layer's weight, as many as the options say or as the weight has.
halfstep::principal principal_of(halfstep::layer_matrices const& layer, halfstep::stage_context const& context);

}  // namespace convert_to_quant
