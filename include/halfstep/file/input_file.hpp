// A file that is only read.
#pragma once

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <utility>

#include <fcntl.h>
#include <sys/stat.h>

#include <halfstep/core/error.hpp>
#include <halfstep/file/descriptor.hpp>
#include <halfstep/file/file_identity.hpp>

namespace halfstep::file {

/// A regular file, open for reading. Reads may run on several threads at once.
class input_file {
 public:
  /// Opens `path`. Throws io_error (open_input) where it is missing, unreadable or not a regular file; a FIFO does not block.
  explicit input_file(std::string path) : path_(std::move(path)) {
    constexpr int flags = O_RDONLY | O_NONBLOCK | O_CLOEXEC | O_NOCTTY;
    file_ = detail::descriptor(detail::retry([&] { return ::open(path_.c_str(), flags); }));
    struct ::stat s;
    if (!file_ || ::fstat(file_.get(), &s) != 0)
      fail(io_stage::open_input, "cannot open", detail::refused_by_system(errno, "check the path and its permissions"));
    if (S_ISDIR(s.st_mode)) fail(io_stage::open_input, "cannot open", stated("file.directory", "it is a directory; give a file"));
    if (!S_ISREG(s.st_mode))
      fail(io_stage::open_input, "cannot open", stated("file.not_regular", "it is not a regular file; give one that is"));
    identity_ = detail::identity_of(s);
    ::posix_fadvise(file_.get(), 0, 0, POSIX_FADV_SEQUENTIAL);
  }

  std::string const& path() const { return path_; }

  /// Returns the size in bytes, when it was opened.
  std::uint64_t size() const { return identity_.size; }
  file_identity const& identity() const { return identity_; }

  /// Fills `into` with the bytes from `offset`. Throws io_error: transfer, or input_changed where the file ends too early.
  void read(std::uint64_t offset, std::span<std::byte> into) const {
    auto const n = detail::read_fully(file_.get(), offset, into);
    if (n < 0) fail(io_stage::transfer, "cannot read", detail::refused_by_system(errno, "check the disk it lies on"));
    if (static_cast<std::size_t>(n) < into.size())
      fail(io_stage::input_changed, "cannot read",
           stated("file.shortened", "it had {bytes} bytes and now ends at byte {end}; let nothing write to it and start again",
                  {{"bytes", size()}, {"end", offset + static_cast<std::size_t>(n)}}));
  }

  /// Throws io_error (input_changed) unless size and time of modification are still what they were.
  void require_unchanged() const {
    struct ::stat s;
    if (::fstat(file_.get(), &s) != 0)
      fail(io_stage::transfer, "cannot examine", detail::refused_by_system(errno, "check the disk it lies on"));
    if (detail::identity_of(s) != identity_)
      fail(
          io_stage::input_changed, "cannot use",
          stated("file.changed",
                 "it was written to while it was read ({bytes} bytes before, {now} now); let nothing write to it and start again",
                 {{"bytes", size()}, {"now", s.st_size}}));
  }

 private:
  friend class file_mapping;

  [[noreturn]] void fail(io_stage stage, std::string_view what, message why) const {
    detail::fail(stage, what, path_, std::move(why));
  }

  std::string path_;
  detail::descriptor file_;
  file_identity identity_;
};

}  // namespace halfstep::file
