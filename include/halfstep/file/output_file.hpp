// A file that appears complete or not at all.
#pragma once

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <halfstep/core/error.hpp>
#include <halfstep/core/text.hpp>
#include <halfstep/file/descriptor.hpp>
#include <halfstep/file/file_identity.hpp>
#include <halfstep/file/locked_part.hpp>
#include <halfstep/file/output_place.hpp>
#include <halfstep/file/output_policy.hpp>
#include <halfstep/file/write_fully.hpp>

namespace halfstep::file {

/// A new file that appears at its path complete and flushed, or never.
///
/// It lies in `<path>.part`, locked, at its full size from the start. Its first bytes stay zero until `commit`, which flushes
/// the rest, writes them, flushes again, renames, and flushes the directory. Not committed, it is removed, unless it is to stay
/// or was found and gone on with: then it goes all the same where a flush failed, since what the system holds of it need not be
/// what the disk holds.
class output_file {
 public:
  /// Bytes of an output that share one start of write-back.
  static constexpr std::uint64_t window_bytes = 32u << 20;

  /// Creates the part and reserves `bytes` on the disk.
  ///
  /// A symlink to a regular file is followed. Throws io_error: create_output where `path` is not a regular file, is one of
  /// `inputs`, exists and `existing` says refuse, or its directory cannot be written to; busy where another run holds the part;
  /// transfer where the disk is full.
  output_file(std::string const& path, std::uint64_t bytes, overwrite existing, std::span<file_identity const> inputs)
      : output_file(free_part(path, existing, inputs), bytes, existing) {
    require_target(inputs);  // again: the run that held the lock may have published meanwhile
    reserve();
  }

  /// Goes on with a part that an earlier run left, taken as it is where it has the right size; what it holds is for the caller to
  /// check. Throws the same.
  output_file(locked_part found, std::uint64_t bytes, overwrite existing, std::span<file_identity const> inputs)
      : output_file(std::move(found), bytes, existing) {
    leave_ = unfinished::keep;
    require_target(inputs);
    if (part_.identity().size != bytes_) leave_ = unfinished::discard;
    reserve();
  }
  output_file(output_file const&) = delete;
  output_file& operator=(output_file const&) = delete;
  ~output_file() {
    if (!committed_ && leave_ == unfinished::discard) part_.remove();
  }

  std::string const& path() const { return part_.path(); }

  /// Writes `from` at `offset`. Several threads may write at once. Throws io_error (transfer), shape_error beyond the end.
  void write(std::uint64_t offset, std::span<std::byte const> from) {
    if (offset > bytes_ || from.size() > bytes_ - offset)
      throw shape_error(
          stated("output.beyond_end", "cannot write {'path}: bytes beyond its {bytes}", {{"path", path()}, {"bytes", bytes_}}));
    if (!detail::write_fully(part_.get(), offset, from)) fail_transfer("cannot write", errno);
    start_write_back(offset, from.size());
  }

  /// Fills `into` with the bytes at `offset` of the unfinished file. Throws io_error (transfer).
  void read(std::uint64_t offset, std::span<std::byte> into) const {
    auto const n = detail::read_fully(part_.get(), offset, into);
    if (n < 0) fail_transfer("cannot read back", errno);
    if (static_cast<std::size_t>(n) < into.size()) fail_transfer("cannot read back", EIO);
  }

  /// Flushes what was written so far. Throws io_error (transfer).
  void flush_data() {
    if (::fdatasync(part_.get()) != 0) give_up_flush();
  }

  /// Publishes the file, whose first bytes are `head`. Throws io_error: transfer, or create_output where the path was taken
  /// meanwhile. A flush that failed is never tried again: the file is given up.
  void commit(std::span<std::byte const> head) {
    seal(head);
    publish();
    close();
  }

  /// Completes and flushes the file, whose first bytes are `head`: all of `commit` but the name. Throws io_error (transfer).
  void seal(std::span<std::byte const> head) {
    flush(part_.get());
    write(0, head);
    flush(part_.get());
  }

  /// Gives the file its name. Throws io_error (transfer, create_output). Precondition: it is sealed.
  void publish() {
    rename();
    committed_ = true;
    flush(directory());
  }

  /// Closes the file, which unlocks it. Throws io_error (transfer).
  void close() {
    if (part_.close() != 0) fail_transfer("cannot close", errno);
  }

  /// Says what becomes of the part where the file is not published.
  void leave(unfinished part) { leave_ = part; }

  /// Returns whether the part stays where the file is not published.
  bool is_kept() const { return leave_ == unfinished::keep; }

  /// Returns whether a file lies where this one will.
  bool replaces_file() const {
    struct ::stat s;
    return ::fstatat(directory(), name_.c_str(), &s, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(s.st_mode);
  }

  /// Removes what lies where this file will, before its time. Throws io_error: transfer, create_output where it must stay.
  void make_room() {
    require_target({});
    if (::unlinkat(directory(), name_.c_str(), 0) != 0 && errno != ENOENT) fail_transfer("cannot replace", errno);
    flush(directory());
  }

  /// Removes the file once more if it is published, and nobody has replaced it since.
  void withdraw() noexcept {
    struct ::stat named;
    if (committed_ && ::fstatat(directory(), name_.c_str(), &named, AT_SYMLINK_NOFOLLOW) == 0 &&
        detail::identity_of(named).same_file(part_.identity()))
      ::unlinkat(directory(), name_.c_str(), 0);
  }

 private:
  output_file(locked_part part, std::uint64_t bytes, overwrite existing)
      : part_(std::move(part)),
        name_(part_.place().name()),
        bytes_(bytes),
        existing_(existing),
        windows_(bytes / window_bytes + 1) {}

  // Looks at the target before there is a part of it.
  static locked_part free_part(std::string const& path, overwrite existing, std::span<file_identity const> inputs) {
    require_target(path, output_place(path), existing, inputs);
    return locked_part(path, inputs);
  }

  void require_target(std::span<file_identity const> inputs) const { require_target(path(), part_.place(), existing_, inputs); }

  static void require_target(std::string const& path, output_place const& place, overwrite existing,
                             std::span<file_identity const> inputs) {
    struct ::stat s;
    if (::fstatat(place.directory(), place.name().c_str(), &s, AT_SYMLINK_NOFOLLOW) != 0) {
      if (errno != ENOENT) fail_create(path, detail::refused_by_system(errno, "choose another name"));
      return;
    }
    if (S_ISDIR(s.st_mode)) fail_create(path, stated("file.directory", "it is a directory; add a file name"));
    if (!S_ISREG(s.st_mode))
      fail_create(path, stated("file.not_regular", "it exists and is not a regular file; choose another name"));
    for (file_identity const& input : inputs)
      if (input.same_file(detail::identity_of(s)))
        fail_create(path, stated("file.is_input", "it is an input of this run; choose another name"));
    if (existing == overwrite::refuse) fail_exists(path);
  }

  int directory() const { return part_.place().directory(); }

  void reserve() {
    if (leave_ == unfinished::keep)
      unseal();
    else if (!part_.is_new() && detail::retry([&] { return ::ftruncate(part_.get(), 0); }) != 0)
      fail_transfer("cannot empty", errno);
    int code = 0;
    do code = ::posix_fallocate(part_.get(), 0, static_cast<off_t>(bytes_));
    while (code == EINTR);
    if (code != 0) fail_transfer("cannot reserve " + std::to_string(bytes_) + " bytes for", code);
  }

  // Makes a part that was sealed already no file again, before a byte of it changes.
  void unseal() {
    std::array<std::byte, length_bytes> head{};
    auto const first = std::span(head).first(static_cast<std::size_t>(std::min<std::uint64_t>(length_bytes, bytes_)));
    read(0, first);
    if (std::ranges::all_of(first, [](std::byte b) { return b == std::byte{}; })) return;
    std::ranges::fill(first, std::byte{});
    write(0, first);
    flush_data();
  }

  // Starts write-back of the windows that these bytes complete, so that the last flush finds little to do.
  void start_write_back(std::uint64_t offset, std::uint64_t size) {
    for (std::uint64_t end = offset + size; offset < end;) {
      std::uint64_t const window = offset / window_bytes;
      std::uint64_t const next = std::min(end, (window + 1) * window_bytes);
      std::uint64_t const before = windows_[window].fetch_add(next - offset, std::memory_order_relaxed);
      [[maybe_unused]] bool const completed = before < window_bytes && before + (next - offset) >= window_bytes;
#if defined(__linux__)
      auto const begin = static_cast<off_t>(window * window_bytes);
      if (completed) ::sync_file_range(part_.get(), begin, static_cast<off_t>(window_bytes), SYNC_FILE_RANGE_WRITE);
#endif
      offset = next;
    }
  }

  void flush(int file) {
    if (::fsync(file) != 0) give_up_flush();
  }

  [[noreturn]] void give_up_flush() {
    int const code = errno;
    leave_ = unfinished::discard;
    fail_transfer("cannot flush", code);
  }

  void rename() {
    require_target({});
#if defined(__linux__)
    if (existing_ == overwrite::refuse) {
      if (::renameat2(directory(), part_.name().c_str(), directory(), name_.c_str(), RENAME_NOREPLACE) == 0) return;
      if (errno == EEXIST) fail_exists(path());
      if (errno != EINVAL && errno != ENOSYS) fail_transfer("cannot rename to", errno);
    }
#endif
    if (::renameat(directory(), part_.name().c_str(), directory(), name_.c_str()) != 0) fail_transfer("cannot rename to", errno);
  }

  [[noreturn]] static void fail_create(std::string const& path, message why) {
    detail::fail(io_stage::create_output, "cannot create", path, std::move(why));
  }
  [[noreturn]] static void fail_exists(std::string const& path) {
    fail_create(path, stated("file.exists", "it exists; choose another name or ask for it to be replaced (`overwrite`)"));
  }
  [[noreturn]] void fail_transfer(std::string const& what, int code) const {
    detail::fail(io_stage::transfer, what, path(),
                 detail::refused_by_system(code, "free space or check the disk, then start again"));
  }

  static constexpr std::uint64_t length_bytes = 8;  // of what makes it a file

  locked_part part_;
  std::string name_;
  std::uint64_t bytes_;
  overwrite existing_;
  unfinished leave_ = unfinished::discard;
  std::vector<std::atomic<std::uint64_t>> windows_;
  bool committed_ = false;
};

}  // namespace halfstep::file
