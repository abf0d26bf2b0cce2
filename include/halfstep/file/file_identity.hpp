// What tells a file from every other.
#pragma once

#include <cstdint>

#include <sys/stat.h>

namespace halfstep::file {

/// What tells a file from every other, and from itself after a change.
struct file_identity {
  std::uint64_t device = 0;
  std::uint64_t inode = 0;
  std::uint64_t size = 0;
  std::int64_t modified_ns = 0;

  bool operator==(file_identity const&) const = default;

  /// Returns whether both are the same file, changed or not.
  bool same_file(file_identity const& other) const { return device == other.device && inode == other.inode; }
};

namespace detail {

inline file_identity identity_of(struct ::stat const& s) {
  return {static_cast<std::uint64_t>(s.st_dev), static_cast<std::uint64_t>(s.st_ino), static_cast<std::uint64_t>(s.st_size),
          static_cast<std::int64_t>(s.st_mtim.tv_sec) * 1'000'000'000 + s.st_mtim.tv_nsec};
}

}  // namespace detail

}  // namespace halfstep::file
