// The error of a finished file that does not hold what it must.
#pragma once

#include <halfstep/core/error.hpp>

namespace halfstep {

/// A file that breaks a rule of its loaders. In a finished output: a fault of the program, never of its input.
class contract_error : public error {
 public:
  using error::error;
};

}  // namespace halfstep
