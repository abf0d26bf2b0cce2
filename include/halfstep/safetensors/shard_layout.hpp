// A new model in several files: which tensors lie in which, and what the files are called.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <halfstep/core/error.hpp>
#include <halfstep/core/text.hpp>
#include <halfstep/file/folder.hpp>
#include <halfstep/safetensors/header.hpp>
#include <halfstep/safetensors/reader.hpp>
#include <halfstep/safetensors/shard_index.hpp>
#include <halfstep/safetensors/shard_name.hpp>

namespace halfstep::safetensors {

/// The most shards of a model: their numbers have five digits.
inline constexpr std::size_t max_shards = 99'999;

/// Returns the bytes of the file that `h` heads.
inline std::uint64_t file_bytes(header const& h) { return detail::length_bytes + serialize(h).size() + h.data_bytes(); }

/// A model that is laid out over several files.
struct shard_layout {
  header whole;                ///< all tensors, one shard after the other; offsets count through all data
  std::vector<header> shards;  ///< each file's own header, with the metadata of the whole

  /// Returns the bytes of the shards together, without their index.
  std::uint64_t bytes() const {
    std::uint64_t sum = 0;
    for (header const& shard : shards) sum += file_bytes(shard);
    return sum;
  }
};

namespace detail {

// The most bytes that a tensor takes in a file: its data, and its entry in the header whatever its offsets are.
inline std::uint64_t room_for(tensor_spec const& spec) {
  constexpr std::uint64_t syntax = 64;  // of an entry: quotes, brackets, keys, the name of the type
  constexpr std::uint64_t digits = 21;  // of a number, and a comma
  std::string name;
  append_json_string(name, spec.name);
  return require_bytes(spec.name, spec.type, spec.shape) + name.size() + syntax + digits * (spec.shape.size() + 2);
}

}  // namespace detail

/// Lays `groups` out over as few files as they fill in their order, each of at most `max_bytes`, header and all.
///
/// Tensors of a group lie in one file; a group that is larger than `max_bytes` has a file of its own. In each file the tensors
/// lie in the reference writer's order. Throws format_error for what `arrange` refuses, and for more than `max_shards` files.
inline shard_layout arrange_shards(std::vector<std::vector<tensor_spec>> groups, metadata_list const& metadata,
                                   std::uint64_t max_bytes) {
  std::uint64_t const empty = file_bytes(arrange({}, metadata)) + 8;  // and what rounds the header up
  std::vector<std::vector<tensor_spec>> files(1);
  std::uint64_t filled = empty;
  for (auto& group : groups) {
    std::uint64_t room = 0;
    for (tensor_spec const& spec : group) room += detail::room_for(spec);
    if (!files.back().empty() && (filled > max_bytes || room > max_bytes - filled)) {
      files.emplace_back();
      filled = empty;
    }
    filled += room;
    for (tensor_spec& spec : group) files.back().push_back(std::move(spec));
  }
  if (files.size() > max_shards)
    throw format_error(stated("output.too_many_shards",
                              "the model would have {shards} shards, more than {limit}; allow larger ones",
                              {{"shards", files.size()}, {"limit", max_shards}}));
  shard_layout made;
  std::vector<tensor> all;
  std::uint64_t begin = 0;
  for (auto& file : files) {
    header const& shard = made.shards.emplace_back(arrange(std::move(file), metadata));
    for (tensor t : shard.tensors()) {
      t.begin += begin;
      t.end += begin;
      all.push_back(std::move(t));
    }
    begin += shard.data_bytes();
  }
  made.whole = header(std::move(all), made.shards.front().metadata());
  return made;
}

/// Returns the index of a model at `path` whose shards have these headers.
inline shard_index index_of(std::vector<header> const& shards, std::string_view path) {
  shard_index index;
  index.total_size = 0;
  for (std::size_t i = 0; i < shards.size(); ++i) {
    std::string const file = shard_path(path, i, shards.size());
    *index.total_size += shards[i].data_bytes();
    for (tensor const& t : shards[i].tensors()) index.weight_map.emplace_back(t.name, file.substr(file::folder_of(file).size()));
  }
  return index;
}

}  // namespace halfstep::safetensors
