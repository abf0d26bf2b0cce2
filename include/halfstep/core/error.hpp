// What the library throws. Nothing in it prints or exits.
#pragma once

#include <stdexcept>
#include <string>
#include <string_view>

namespace halfstep {

/// The parent of everything the library throws on purpose.
///
/// The text is one line: what, where, why, and what to do about it.
class error : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// Shapes that do not go together, or that a layout cannot store.
class shape_error : public error {
 public:
  using error::error;
};

/// A file whose bytes break its format.
class format_error : public error {
 public:
  using error::error;
};

/// A value that an algorithm cannot take, such as NaN in a weight.
class value_error : public error {
 public:
  using error::error;
};

/// A name that no table knows. The text lists the known ones.
class unknown_option : public error {
 public:
  using error::error;
};

/// Options that are known but contradict each other or cannot be met.
class usage_error : public error {
 public:
  using error::error;
};

/// Where an operating system call failed: each kind has an exit code of its own in the converter.
enum class io_stage {
  open_input,     ///< missing, unreadable, or neither a regular file nor a model's directory
  create_output,  ///< the output cannot be created, or is an input
  transfer,       ///< read, write, flush or rename failed
  busy,           ///< another run holds the output
  input_changed   ///< an input changed while it was read
};

/// An operating system call that failed.
class io_error : public error {
 public:
  io_error(io_stage stage, std::string const& text) : error(text), stage_(stage) {}

  /// Returns where it failed.
  io_stage stage() const noexcept { return stage_; }

 private:
  io_stage stage_;
};

/// Work that was stopped on request, by a signal or an observer.
class cancelled : public error {
 public:
  using error::error;
};

}  // namespace halfstep
