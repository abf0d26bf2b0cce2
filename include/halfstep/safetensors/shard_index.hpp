// Models in several files: the index that says which tensor lies where.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <halfstep/core/error.hpp>
#include <halfstep/core/text.hpp>
#include <halfstep/file/input_file.hpp>
#include <halfstep/safetensors/foreign_content.hpp>
#include <halfstep/safetensors/header.hpp>
#include <halfstep/safetensors/json.hpp>

namespace halfstep::safetensors {

/// The usual name of an index in its directory.
inline constexpr std::string_view shard_index_name = "model.safetensors.index.json";

/// Which file of a sharded model holds each tensor.
struct shard_index {
  std::optional<std::uint64_t> total_size;                      ///< bytes of data, as the index says; unused when reading
  std::vector<std::pair<std::string, std::string>> weight_map;  ///< tensor and file, sorted by tensor

  /// Returns the files, each once, sorted.
  std::vector<std::string> files() const {
    std::vector<std::string> names;
    for (auto const& entry : weight_map) names.push_back(entry.second);
    std::sort(names.begin(), names.end());
    names.erase(std::unique(names.begin(), names.end()), names.end());
    return names;
  }
};

namespace detail {

// A shard lies in the index's directory or below it.
inline void require_shard_name(std::string_view file) {
  bool outside = file.empty() || file.front() == '/' || file.back() == '/' || has_control(file);
  for (std::size_t begin = 0; begin <= file.size();) {
    std::size_t const end = std::min(file.find('/', begin), file.size());
    outside = outside || file.substr(begin, end - begin) == "..";
    begin = end + 1;
  }
  if (outside)
    throw format_error(
        stated("index.outside", "its shard {'shard} is not a file in the index's own directory", {{"shard", file}}));
}

class index_events {
 public:
  explicit index_events(allowance& memory) : memory_(&memory) {}

  void begin_object() {
    ++depth_;
    if (depth_ == 2) in_map_ = field_ == "weight_map";
    if (depth_ == 3 && in_map_) refuse();
    if (depth_ == 2 && in_map_) seen_map_ = true;
  }
  void end_object() {
    if (depth_-- == 2) in_map_ = false;
  }
  void begin_array() {
    if (depth_ == 0 || in_map_ || field_ == "weight_map") refuse();
    ++depth_;
  }
  void end_array() { --depth_; }
  bool keeps_keys() const { return false; }
  void key(std::string_view name) {
    if (depth_ == 1) {
      field_ = name;
    } else if (in_map_) {
      require_name(name);
      memory_->take(3 * sizeof(std::pair<std::string, std::string>) + name.size());
      index_.weight_map.emplace_back(name, std::string());
    } else if (depth_ == 2) {
      is_total_ = field_ == "metadata" && name == "total_size";
    }
  }
  void string(std::string_view value) {
    if (in_map_) {
      require_shard_name(value);
      memory_->take(value.size());
      index_.weight_map.back().second = value;
    } else {
      require_ignored();
    }
  }
  void number(std::string_view text) {
    require_ignored();
    if (depth_ == 2 && is_total_) index_.total_size = plain_unsigned(text);
  }
  void boolean() { require_ignored(); }
  void null() { require_ignored(); }

  shard_index finish() {
    if (!seen_map_) throw format_error(stated("index.no_map", "it has no weight_map"));
    std::sort(index_.weight_map.begin(), index_.weight_map.end());
    return std::move(index_);
  }

 private:
  [[noreturn]] void refuse() const {
    throw format_error(stated("index.no_map", "its weight_map is not an object of strings in an object"));
  }
  void require_ignored() const {
    if (depth_ == 0 || in_map_ || (depth_ == 1 && field_ == "weight_map")) refuse();
  }

  allowance* memory_;
  shard_index index_;
  std::string field_;
  int depth_ = 0;
  bool in_map_ = false;
  bool is_total_ = false;
  bool seen_map_ = false;
};

}  // namespace detail

/// Returns the index that `json`, the content of the file `origin`, spells.
///
/// Only weight_map counts. Throws format_error where it is missing, a tensor occurs twice, or a shard's path leaves the
/// directory.
inline shard_index parse_shard_index(std::span<char const> json, std::string_view origin = "index") try {
  if (json.size() > max_header_bytes)
    throw format_error(stated("index.too_long", "its {bytes} bytes are more than {limit}",
                              {{"bytes", json.size()}, {"limit", max_header_bytes}}));
  allowance memory(std::max<std::uint64_t>(8 * json.size(), 1u << 20));
  detail::index_events events(memory);
  read_json(std::string_view(json.data(), json.size()), memory, events);
  return events.finish();
} catch (format_error const& e) {
  throw format_error(within(e.said(), "cannot read {'path}: {why}; get the model again from its source", {{"path", origin}}));
}

/// Returns the index that `file` holds. Throws what `parse_shard_index` throws, and io_error.
inline shard_index read_shard_index(file::input_file const& file) {
  if (file.size() > max_header_bytes)
    throw format_error(stated("index.too_long",
                              "cannot read {'path}: its {bytes} bytes are too many for an index; check the path",
                              {{"path", file.path()}, {"bytes", file.size()}}));
  std::vector<char> text(static_cast<std::size_t>(file.size()));
  file.read(0, std::as_writable_bytes(std::span(text)));
  auto const json = [&] {
    try {
      return json_content({text.data(), text.size()});
    } catch (format_error const& e) {
      throw format_error(within(e.said(), "cannot read {'path}: {why}", {{"path", file.path()}}));
    }
  }();
  return parse_shard_index(json, file.path());
}

/// Returns `index` as JSON, laid out as the usual tools do: sorted, indented by two, a line feed at the end.
///
/// Throws format_error for what `parse_shard_index` would refuse.
inline std::string serialize(shard_index const& index) {
  std::string out = "{\n  \"metadata\": {";
  if (index.total_size) out += "\n    \"total_size\": " + std::to_string(*index.total_size) + "\n  ";
  out += "},\n  \"weight_map\": {";
  auto map = index.weight_map;
  std::sort(map.begin(), map.end());
  for (std::size_t i = 0; i < map.size(); ++i) {
    detail::require_name(map[i].first);
    detail::require_shard_name(map[i].second);
    if (i > 0 && map[i - 1].first == map[i].first)
      throw format_error(stated("index.twice", "tensor {'tensor} lies in two shards", {{"tensor", map[i].first}}));
    out += i == 0 ? "\n    " : ",\n    ";
    append_json_string(out, map[i].first);
    out += ": ";
    append_json_string(out, map[i].second);
  }
  out += map.empty() ? "}\n}\n" : "\n  }\n}\n";
  return out;
}

}  // namespace halfstep::safetensors
