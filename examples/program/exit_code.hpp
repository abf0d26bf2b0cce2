// What the shell is told when a run ends.
#pragma once

#include <exception>
#include <string>

#include <halfstep/core/error.hpp>

namespace program {

/// A layer below --fail-below.
class quality_error : public halfstep::error {
 public:
  using error::error;
};

/// The end of a run that failed.
struct failure {
  int code;          ///< for the shell
  std::string text;  ///< one line for a person
};

/// Returns what `error` means for the shell and for a person.
failure describe(std::exception_ptr const& error);

}  // namespace program
