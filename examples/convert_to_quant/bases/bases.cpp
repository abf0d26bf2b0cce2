#include "bases.hpp"

#include <halfstep/recipe/bases.hpp>

namespace convert_to_quant {

halfstep::basis_choice convrot(int group) { return halfstep::convrot(group); }
halfstep::basis_choice smoothquant(double alpha) { return halfstep::smoothquant(alpha); }
halfstep::basis_choice incoherent() { return halfstep::incoherent(); }

}  // namespace convert_to_quant
