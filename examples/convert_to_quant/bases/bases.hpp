// The bases that the converter's options name, made in a unit of their own: their loops are among the kernels.
#pragma once

#include <halfstep/recipe/basis_row.hpp>

namespace convert_to_quant {

halfstep::basis_choice convrot(int group);
halfstep::basis_choice smoothquant(double alpha);
halfstep::basis_choice incoherent();

}  // namespace convert_to_quant
