// A program's work between its start and its exit code.
#pragma once

#include <atomic>
#include <functional>
#include <string>
#include <string_view>

#include <halfstep/core/error.hpp>

namespace program {

/// Work that was stopped on request and says what is left of it and what to do.
class stopped : public halfstep::cancelled {
 public:
  using cancelled::cancelled;
};

/// Does `work` and returns what the shell is told: 0, or what `describe` says of the error, whose line begins "<name>: error: ".
///
/// SIGINT and SIGTERM set the flag that `work` is given; work that throws `halfstep::cancelled` then ends by that signal.
/// What the library says of its options goes through `in_words`, where there is one.
int run(std::string const& name, std::function<void(std::atomic<bool> const& stop)> const& work,
        std::function<std::string(std::string_view text)> const& in_words = {});

}  // namespace program
