// Bytes into a file, in writes of a length that costs least.
#pragma once

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <span>

#include <unistd.h>

#include <halfstep/file/descriptor.hpp>

namespace halfstep::file::detail {

// The most bytes of one write. Into a new file on ext4 with large folios (Linux 6.18) writes of 256 KiB and more took 2.5 to 4
// times the processor time a byte of those of 64 and 128 KiB, all of it under the file's lock; shorter ones cost calls.
inline constexpr std::size_t longest_write = std::size_t{64} << 10;

// Writes `from` at `offset`; returns whether that went well, with errno where it did not.
inline bool write_fully(int file, std::uint64_t offset, std::span<std::byte const> from) {
  for (std::size_t done = 0; done < from.size();) {
    std::size_t const wanted = std::min(from.size() - done, longest_write);
    auto const n = retry([&] { return ::pwrite(file, from.data() + done, wanted, static_cast<off_t>(offset + done)); });
    if (n == 0) errno = EIO;
    if (n <= 0) return false;
    done += static_cast<std::size_t>(n);
  }
  return true;
}

}  // namespace halfstep::file::detail
