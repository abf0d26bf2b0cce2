// What the command line of `calibrate` says.
#pragma once

#include <optional>
#include <string>
#include <vector>

namespace calibrate {

/// The options, as they are given.
struct options {
  std::vector<std::string> inputs;
  std::string output;
  bool merge = false;
  bool hessian = true;
  bool keep_inputs = false;
  bool dry_run = false;
  bool force = false;
  std::optional<int> threads;
};

/// Returns the options; nothing where help or the version was asked for and printed. Throws halfstep::usage_error.
std::optional<options> parse(int count, char const* const* values);

}  // namespace calibrate
