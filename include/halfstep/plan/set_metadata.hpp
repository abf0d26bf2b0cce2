// A pair of metadata that changes in a finished plan.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include <halfstep/plan/planned.hpp>
#include <halfstep/safetensors/header.hpp>
#include <halfstep/safetensors/shard_layout.hpp>

namespace halfstep {

namespace detail {

inline void set_value(safetensors::metadata_list& metadata, std::string const& key, std::string const& value) {
  for (auto& pair : metadata)
    if (pair.first == key) pair.second = value;
}

inline void set_value(safetensors::header& h, std::string const& key, std::string const& value) {
  auto metadata = h.metadata();
  set_value(metadata, key, value);
  h = safetensors::header({h.tensors().begin(), h.tensors().end()}, std::move(metadata));
}

inline std::uint64_t header_bytes(plan const& p) {
  if (p.shards.empty()) return safetensors::serialize(p.output).size();
  std::uint64_t sum = 0;
  for (auto const& shard : p.shards) sum += safetensors::serialize(shard).size();
  return sum;
}

}  // namespace detail

/// Gives `key` another value in the metadata of every file that `p` plans. What is not there stays away.
inline void set_metadata(plan& p, std::string const& key, std::string const& value) {
  std::uint64_t const others = p.output_bytes - detail::header_bytes(p);
  detail::set_value(p.metadata, key, value);
  detail::set_value(p.output, key, value);
  for (auto& shard : p.shards) detail::set_value(shard, key, value);
  p.output_bytes = others + detail::header_bytes(p);
}

}  // namespace halfstep
