// Where an output goes: its directory, open, and its name there.
#pragma once

#include <array>
#include <cerrno>
#include <climits>
#include <cstdlib>
#include <string>
#include <string_view>

#include <fcntl.h>
#include <sys/stat.h>

#include <halfstep/core/error.hpp>
#include <halfstep/file/descriptor.hpp>

namespace halfstep::file {

/// The directory of an output and its name there. A symlink to a file is followed.
class output_place {
 public:
  /// Finds the place that `path` names. Throws io_error (create_output) where that is no file in a directory that exists.
  explicit output_place(std::string const& path) {
    std::string target = path;
    struct ::stat s;
    if (::lstat(target.c_str(), &s) == 0 && S_ISLNK(s.st_mode)) {
      std::array<char, PATH_MAX> resolved{};
      if (::realpath(target.c_str(), resolved.data()) == nullptr)
        fail(path, stated("file.dangling", "it is a symbolic link to nothing; remove it or choose another name"));
      target = resolved.data();
    }
    auto const slash = target.rfind('/');
    std::string const directory = slash == std::string::npos ? "." : slash == 0 ? "/" : target.substr(0, slash);
    name_ = slash == std::string::npos ? target : target.substr(slash + 1);
    if (name_.empty() || name_ == "." || name_ == "..")
      fail(path, stated("file.directory", "it names a directory; add a file name"));
    directory_ = detail::descriptor(detail::retry([&] { return ::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC); }));
    if (!directory_) fail(path, within(detail::refused_by_system(errno, "create it or choose another"), "its directory: {why}"));
  }

  /// Returns the descriptor of the directory.
  int directory() const { return directory_.get(); }

  /// Returns the name in the directory, of the file itself or of one beside it.
  std::string name(std::string_view ending = {}) const { return name_ + std::string(ending); }

 private:
  [[noreturn]] static void fail(std::string const& path, message why) {
    detail::fail(io_stage::create_output, "cannot create", path, std::move(why));
  }

  std::string name_;
  detail::descriptor directory_;
};

}  // namespace halfstep::file
