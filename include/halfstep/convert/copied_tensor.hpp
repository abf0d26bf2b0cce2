// Tensors that go from one file to another as they are.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include <halfstep/convert/settings.hpp>
#include <halfstep/safetensors/reader.hpp>
#include <halfstep/safetensors/writer.hpp>

namespace halfstep {

/// Copies the bytes of `from`, a tensor of `input`, to those of `to` in `output`, a few MiB at a time.
///
/// Both have as many. Throws io_error, and `cancelled` within one piece after the observer said so.
inline void copy_tensor(safetensors::reader const& input, safetensors::tensor const& from, safetensors::writer& output,
                        safetensors::slot const& to, observer const& watcher) {
  constexpr std::uint64_t step = std::uint64_t{8} << 20;
  std::vector<std::byte> piece(static_cast<std::size_t>(std::min(step, from.bytes())));
  for (std::uint64_t at = 0; at < from.bytes(); at += step) {
    require_going(watcher);
    auto const bytes = std::span(piece).first(static_cast<std::size_t>(std::min(step, from.bytes() - at)));
    input.read(from, at, bytes);
    output.write(to, at, bytes);
    if (watcher.advanced) watcher.advanced(from.name, bytes.size());
  }
}

}  // namespace halfstep
