// What the shell is told when a run ends.
#pragma once

#include <exception>
#include <string>

namespace program {

/// The end of a run that failed.
struct failure {
  int code;          ///< for the shell
  std::string text;  ///< one line for a person
};

/// Returns what `error` means for the shell and for a person.
failure describe(std::exception_ptr const& error);

}  // namespace program
