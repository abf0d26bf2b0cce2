// What the library throws. Nothing in it prints or exits.
#pragma once

#include <memory>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>

#include <halfstep/core/message.hpp>

namespace halfstep {

/// The parent of everything the library throws on purpose.
///
/// The text is one line: what, where, why, and what to do about it. What a program may want to say otherwise has an id and facts.
class error : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
  explicit error(message said) : error(std::make_shared<message const>(std::move(said))) {}

  /// Returns all that it says, to be part of a longer sentence; without an id where it was made of a text alone.
  message said() const { return said_ ? *said_ : message{{}, what()}; }

  /// Returns what is the matter, such as "layers.already_quantized"; empty where the kind of error says enough.
  std::string_view id() const noexcept { return said_ ? std::string_view(said_->id) : std::string_view(); }

  /// Returns what the text tells under `name`; empty where it tells nothing.
  std::string_view fact(std::string_view name) const noexcept { return said_ ? said_->fact(name) : std::string_view(); }

 private:
  explicit error(std::shared_ptr<message const> said) : runtime_error(said->text), said_(std::move(said)) {}

  std::shared_ptr<message const> said_ = nullptr;  // shared: copies of exceptions must not throw
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
  io_error(io_stage stage, message said) : error(std::move(said)), stage_(stage) {}

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
