// What the command line of `calibrate` says.
#pragma once

#include <cstdint>
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
  bool synthetic = false;
  std::string model;
  std::string lora;
  std::int64_t samples = 6144;
  std::int64_t seed = 0;
  bool dry_run = false;
  bool force = false;
  std::optional<int> threads;
};

/// Returns the options; nothing where help or the version was asked for and printed. Throws halfstep::usage_error.
std::optional<options> parse(int count, char const* const* values);

}  // namespace calibrate
