// A digest of samples of a model.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include <halfstep/core/digest.hpp>
#include <halfstep/safetensors/header.hpp>
#include <halfstep/safetensors/reader.hpp>

namespace halfstep {

/// Returns a digest of a model's header and of the first bytes of some of its tensors: it tells two trainings of one model apart
/// whose files have the same size and time. Throws io_error.
inline std::uint64_t sample_digest(safetensors::reader const& model) {
  constexpr std::size_t most = 64;
  constexpr std::uint64_t sample_bytes = 4096;
  std::string const header = safetensors::serialize(model.head());
  auto const tensors = model.head().tensors();
  std::uint64_t sum = digest(std::as_bytes(std::span(header)));
  std::vector<std::byte> bytes;
  for (std::size_t i = 0; i < std::min(most, tensors.size()); ++i) {
    auto const& t = tensors[i * tensors.size() / std::min(most, tensors.size())];
    bytes.resize(static_cast<std::size_t>(std::min(sample_bytes, t.bytes())));
    model.read(t, 0, bytes);
    sum = (sum ^ digest(bytes)) * 0x9E3779B97F4A7C15u;
  }
  return sum;
}

}  // namespace halfstep
