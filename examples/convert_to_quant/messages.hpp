// Everything that a run says, on its way to the terminal and to the log.
#pragma once

#include <cstdio>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>

#include "options.hpp"

namespace convert_to_quant {

/// What a run says: messages on standard error, results on standard output, and both in the file of --log.
///
/// What is said has the library's options as flags; results are printed as they come, since paths may hold anything. With
/// --progress json every message is a line that holds one JSON object. Several threads may call.
class messages {
 public:
  /// Opens the log, to add to it. Throws halfstep::io_error where that cannot be done.
  explicit messages(options const& o);

  /// Says `text` to those who asked for as much.
  void say(std::string_view text, verbosity least = verbosity::normal);

  /// Prints `text`, which ends its own lines, as a result.
  void print(std::string_view text);

  /// Shows a line that is not for the log, such as a JSON object of progress.
  void show(std::string_view line);

  /// Writes a line into the log alone.
  void log(std::string_view line);

  bool is_json() const { return is_json_; }

 private:
  struct close {
    void operator()(std::FILE* file) const { std::fclose(file); }
  };

  std::string shown(std::string_view text) const;

  /// Where the log cannot be written it says so once, and the run goes on without.
  void write_log(std::string_view text);

  verbosity level_;
  bool is_json_;
  std::unique_ptr<std::FILE, close> log_;
  std::mutex guard_;
};

}  // namespace convert_to_quant
