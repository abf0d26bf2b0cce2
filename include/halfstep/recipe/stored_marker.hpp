// What a file says of one layer: the keys and values of its marker, or of its object in the header's metadata.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <halfstep/core/error.hpp>
#include <halfstep/recipe/marker_pairs.hpp>
#include <halfstep/safetensors/json.hpp>

namespace halfstep {

namespace detail {

/// Gathers the pairs of the object that lies under `path`, keys of objects inside each other; an empty path is the whole text.
class object_events {
 public:
  object_events(std::span<std::string_view const> path, safetensors::allowance& memory) : path_(path), memory_(&memory) {}

  void begin_object() {
    if (is_inside()) refuse("an object");
    open_.push_back(open_.empty() ? 0 : std::exchange(next_, elsewhere));
    if (is_inside()) found_.emplace();
  }
  void end_object() { open_.pop_back(); }
  void begin_array() {
    if (is_inside()) refuse("an array");
    next_ = elsewhere;
    open_.push_back(elsewhere);
  }
  void end_array() { open_.pop_back(); }
  bool keeps_keys() const { return false; }
  void key(std::string_view name) {
    std::size_t const steps = open_.back();
    next_ = steps < path_.size() && name == path_[steps] ? steps + 1 : elsewhere;
    if (!is_inside()) return;
    memory_->take(2 * sizeof(marker_pairs::value_type) + name.size());
    found_->emplace_back(name, std::string());
  }
  void string(std::string_view value) { set(value); }
  void number(std::string_view value) { set(value); }
  void boolean(std::string_view value) { set(value); }
  void null() { set("null"); }

  std::optional<marker_pairs> finish() { return std::move(found_); }

 private:
  static constexpr std::size_t elsewhere = std::size_t(-1);

  [[noreturn]] static void refuse(char const* what) {
    throw format_error(
        stated("marker.no_value", "it holds {found} where a number, a text, true or false is wanted", {{"found", what}}));
  }

  bool is_inside() const { return !open_.empty() && open_.back() == path_.size(); }

  void set(std::string_view value) {
    next_ = elsewhere;
    if (!is_inside()) return;
    memory_->take(value.size());
    found_->back().second = value;
  }

  std::span<std::string_view const> path_;
  safetensors::allowance* memory_;
  std::vector<std::size_t> open_;  // of each object and array around: how many steps of the path lead there
  std::size_t next_ = elsewhere;   // the same of the value that comes next
  std::optional<marker_pairs> found_;
};

}  // namespace detail

/// Returns the pairs of the object under `path` in the JSON `text`, a key for each step inwards; nothing where there is none.
///
/// Throws format_error for broken JSON, for a key that occurs twice, and for an object that holds others.
inline std::optional<marker_pairs> pairs_in_json(std::string_view text, std::span<std::string_view const> path = {}) {
  safetensors::allowance memory(16 * text.size() + 4096);
  detail::object_events events(path, memory);
  safetensors::read_json(text, memory, events);
  return events.finish();
}

}  // namespace halfstep
