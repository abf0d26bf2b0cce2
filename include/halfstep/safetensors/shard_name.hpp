// The names of the files of a model in shards.
#pragma once

#include <algorithm>
#include <cstddef>
#include <string>
#include <string_view>

namespace halfstep::safetensors {

/// Returns what the files of a sharded model at `path` are called by: `path` without the endings of models and indexes.
inline std::string shard_stem(std::string_view path) {
  for (std::string_view const ending : {".index.json", ".safetensors"})
    if (path.size() > ending.size() && path.ends_with(ending)) path.remove_suffix(ending.size());
  return std::string(path);
}

/// Returns the path of the index of a sharded model that is to be at `path`: `<stem>.safetensors.index.json`.
inline std::string shard_index_path(std::string_view path) { return shard_stem(path) + ".safetensors.index.json"; }

/// Returns the path of shard `i` of `count`, counted from 0: `<stem>-00001-of-00003.safetensors`.
inline std::string shard_path(std::string_view path, std::size_t i, std::size_t count) {
  auto const number = [](std::size_t n) {
    std::string const digits = std::to_string(n);
    return std::string(5 - std::min<std::size_t>(digits.size(), 5), '0') + digits;
  };
  return shard_stem(path) + "-" + number(i + 1) + "-of-" + number(count) + ".safetensors";
}

}  // namespace halfstep::safetensors
