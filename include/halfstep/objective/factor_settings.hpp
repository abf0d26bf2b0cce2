// How the factor of a Hessian is made.
#pragma once

#include <cstdint>

namespace halfstep {

/// In which order columns are rounded.
enum class column_order : std::uint8_t {
  stored,      ///< from the first to the last
  activations  ///< by descending H_jj, equal ones as stored: what matters most is rounded while much is left to correct it
};

/// How a Hessian is made definite, and in which order its columns come.
struct factor_settings {
  double damping = 0.01;  ///< H + damping mean |H_jj| I; ten times as much as often as that is not definite
  column_order order = column_order::activations;
};

}  // namespace halfstep
