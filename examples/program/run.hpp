// A program's work between its start and its exit code.
#pragma once

#include <atomic>
#include <functional>
#include <string>

namespace program {

/// Does `work` and returns what the shell is told: 0, or what `describe` says of the error, whose line begins "<name>: error: ".
///
/// SIGINT and SIGTERM set the flag that `work` is given; work that throws `halfstep::cancelled` then ends by that signal.
int run(std::string const& name, std::function<void(std::atomic<bool> const& stop)> const& work);

}  // namespace program
