// The part of an output that is not finished, locked.
#pragma once

#include <cerrno>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <halfstep/core/error.hpp>
#include <halfstep/core/text.hpp>
#include <halfstep/file/descriptor.hpp>
#include <halfstep/file/file_identity.hpp>
#include <halfstep/file/output_place.hpp>

namespace halfstep::file {

/// The part of an output, `<path>.part`, open and locked: until this is gone, nobody else writes the output or what lies beside
/// it. It is left where it lies unless `remove` is called.
class locked_part {
 public:
  /// Opens the part of the output at `path`, and makes one where there is none.
  ///
  /// Throws io_error: create_output where it is not a regular file of one name, is one of `inputs`, or its directory cannot be
  /// written to; busy where another run holds it; transfer where the disk is full.
  locked_part(std::string path, std::span<file_identity const> inputs) : locked_part(std::move(path)) { open(O_CREAT, inputs); }
  locked_part(locked_part&&) = default;
  locked_part& operator=(locked_part&&) = default;

  /// Opens the part that an earlier run left; nothing where there is none. Throws as construction does.
  static std::optional<locked_part> find(std::string path, std::span<file_identity const> inputs) {
    locked_part found(std::move(path));
    found.open(0, inputs);
    if (!found.part_) return std::nullopt;
    return found;
  }

  std::string const& path() const { return path_; }            ///< of the output
  output_place const& place() const { return place_; }         ///< of the output
  std::string name() const { return place_.name(ending); }     ///< in the directory of `place()`
  file_identity const& identity() const { return identity_; }  ///< as it was when it was locked
  bool is_new() const { return is_new_; }                      ///< whether it was made here
  int get() const { return part_.get(); }

  /// Closes the part, which unlocks it. Returns what the system says: 0, or -1 with errno.
  int close() { return part_.close(); }

  /// Removes the part, which unlocks it, unless it is closed.
  void remove() noexcept {
    if (part_) ::unlinkat(place_.directory(), name().c_str(), 0);
    part_ = {};
  }

 private:
  static constexpr std::string_view ending = ".part";

  explicit locked_part(std::string path) : path_(std::move(path)), place_(path_) {}

  // Opens and locks the file that bears the name once the lock is held, not one renamed or removed meanwhile.
  void open(int creation, std::span<file_identity const> inputs) {
    auto const open_with = [&](int flags) {
      flags |= O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY;
      return detail::descriptor(detail::retry([&] { return ::openat(place_.directory(), name().c_str(), flags, 0666); }));
    };
    for (int attempt = 0; attempt < 100; ++attempt) {
      errno = EEXIST;
      part_ = creation != 0 ? open_with(creation | O_EXCL) : detail::descriptor();
      is_new_ = static_cast<bool>(part_);
      if (!is_new_ && errno == EEXIST) part_ = open_with(creation);
      if (!part_ && creation == 0 && errno == ENOENT) return;
      if (!part_ && (errno == ENOSPC || errno == EDQUOT))
        detail::fail(io_stage::transfer, "cannot create", path_,
                     detail::refused_by_system(errno, "free space or check the disk, then start again"));
      if (!part_)
        refuse(
            within(detail::refused_by_system(errno, "check the directory's permissions"), "{'part}: {why}", {{"part", name()}}));
      struct ::stat mine, named;
      if (::fstat(part_.get(), &mine) != 0) give_up(detail::refused_by_system(errno, "check the file system"));
      if (!S_ISREG(mine.st_mode))
        give_up(stated("file.part_not_regular", "{'part} beside it is not a regular file; remove it", {{"part", name()}}));
      if (detail::retry([&] { return ::flock(part_.get(), LOCK_EX | LOCK_NB); }) != 0) {
        if (errno == EWOULDBLOCK)
          detail::fail(io_stage::busy, "cannot create", path_,
                       stated("file.busy", "another run is writing it; wait for it or choose another name"));
        give_up(within(detail::refused_by_system(errno, "choose a file system with locks"), "it cannot be locked: {why}"));
      }
      if (::fstatat(place_.directory(), name().c_str(), &named, AT_SYMLINK_NOFOLLOW) != 0 ||
          !detail::identity_of(named).same_file(detail::identity_of(mine)))
        continue;
      identity_ = detail::identity_of(mine);
      for (file_identity const& input : inputs)
        if (input.same_file(identity_)) refuse(stated("file.is_input", "it is an input of this run; choose another name"));
      if (!is_new_ && mine.st_nlink != 1)
        refuse(stated("file.part_linked", "{'part} beside it has a second name; remove it", {{"part", name()}}));
      return;
    }
    detail::fail(io_stage::busy, "cannot create", path_,
                 stated("file.busy", "other runs keep replacing its part; wait for them"));
  }

  // Leaves a part that was there before as it is.
  [[noreturn]] void give_up(message why) {
    if (is_new_) remove();
    refuse(std::move(why));
  }

  [[noreturn]] void refuse(message why) const { detail::fail(io_stage::create_output, "cannot create", path_, std::move(why)); }

  std::string path_;
  output_place place_;
  detail::descriptor part_;
  file_identity identity_;
  bool is_new_ = false;
};

}  // namespace halfstep::file
