// What the machine cannot or must not execute.
#pragma once

#include <stdexcept>
#include <string>

namespace ptx {

/// Text that the machine does not know: an opcode, a modifier, a directive, an operand. It is never guessed.
class unknown : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// A kernel did what stops a device: an address that is not there, a misaligned one, a trap, a wait without end.
class fault : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

}  // namespace ptx
