// Which layers share their inputs, from the metadata of a calibration file.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <halfstep/core/error.hpp>
#include <halfstep/core/text.hpp>
#include <halfstep/safetensors/json.hpp>

namespace halfstep {

namespace detail {

class alias_events {
 public:
  explicit alias_events(safetensors::allowance& memory) : memory_(&memory) {}

  void begin_object() {
    if (opened_) refuse();
    opened_ = true;
  }
  void end_object() {}
  void begin_array() { refuse(); }
  void end_array() {}
  bool keeps_keys() const { return false; }
  void key(std::string_view name) {
    memory_->take(2 * sizeof(std::pair<std::string, std::string>) + name.size());
    found_.emplace_back(name, std::string());
  }
  void string(std::string_view value) {
    if (!opened_) refuse();
    memory_->take(value.size());
    found_.back().second = value;
  }
  void number(std::string_view) { refuse(); }
  void boolean() { refuse(); }
  void null() { refuse(); }

  std::vector<std::pair<std::string, std::string>> finish() { return std::move(found_); }

 private:
  [[noreturn]] static void refuse() {
    throw format_error(stated("calibration.no_aliases", "it is no object of names of layers"));
  }

  safetensors::allowance* memory_;
  bool opened_ = false;
  std::vector<std::pair<std::string, std::string>> found_;
};

}  // namespace detail

/// Returns the pairs {"P": "Q"} of the metadata `aliases` of the file `path`: P shares the statistics of Q.
///
/// Throws format_error naming the file for anything but an object of strings, none of them empty.
inline std::vector<std::pair<std::string, std::string>> parse_aliases(std::string const& path, std::string_view text) {
  try {
    safetensors::allowance memory(16 * text.size() + 4096);
    detail::alias_events events(memory);
    safetensors::read_json(text, memory, events);
    auto found = events.finish();
    for (auto const& [layer, owner] : found)
      if (owner.empty())
        throw format_error(stated("calibration.empty_alias", "{'layer} is an alias of no name", {{"layer", layer}}));
    return found;
  } catch (format_error const& e) {
    throw format_error(
        within(e.said(), "cannot read the metadata 'aliases' of the calibration data {'path}: {why}", {{"path", path}}));
  }
}

}  // namespace halfstep
