// Folders: what lies in them, and where paths lead.
#pragma once

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <dirent.h>
#include <sys/stat.h>
#include <unistd.h>

#include <halfstep/core/error.hpp>
#include <halfstep/file/descriptor.hpp>

namespace halfstep::file {

/// What a path leads to, through links.
enum class path_kind : std::uint8_t { nothing, file, folder, other };

/// Returns what `path` leads to; nothing where it cannot be reached either.
inline path_kind kind_of(std::string const& path) {
  struct ::stat s;
  if (::stat(path.c_str(), &s) != 0) return path_kind::nothing;
  return S_ISREG(s.st_mode) ? path_kind::file : S_ISDIR(s.st_mode) ? path_kind::folder : path_kind::other;
}

/// Returns `path` up to and with its last slash; empty where it has none.
inline std::string folder_of(std::string_view path) {
  auto const slash = path.rfind('/');
  return std::string(path.substr(0, slash == std::string_view::npos ? 0 : slash + 1));
}

/// Returns the names in `folder`, sorted. Throws io_error (open_input) where it cannot be read.
inline std::vector<std::string> names_in(std::string const& folder) {
  std::unique_ptr<::DIR, int (*)(::DIR*)> const open(::opendir(folder.c_str()), &::closedir);
  if (open == nullptr)
    detail::fail(io_stage::open_input, "cannot read", folder,
                 detail::refused_by_system(errno, "check the path and its permissions"));
  std::vector<std::string> names;
  errno = 0;
  while (auto const* const entry = ::readdir(open.get())) names.emplace_back(entry->d_name);
  if (errno != 0) detail::fail(io_stage::open_input, "cannot read", folder, detail::refused_by_system(errno, "check the disk"));
  std::sort(names.begin(), names.end());
  return names;
}

/// Returns the text of the link `path`, which may lead nowhere; empty where it is no link.
inline std::string link_target(std::string const& path) {
  std::string text(4096, '\0');
  auto const size = ::readlink(path.c_str(), text.data(), text.size());
  text.resize(size < 0 ? 0 : static_cast<std::size_t>(size));
  return text;
}

/// Returns the path of what `path` leads to, absolute and without links. Throws io_error (open_input).
inline std::string real_path(std::string const& path) {
  std::unique_ptr<char, void (*)(void*)> const real(::realpath(path.c_str(), nullptr), &std::free);
  if (real == nullptr)
    detail::fail(io_stage::open_input, "cannot open", path,
                 detail::refused_by_system(errno, "check the path and its permissions"));
  return real.get();
}

}  // namespace halfstep::file
