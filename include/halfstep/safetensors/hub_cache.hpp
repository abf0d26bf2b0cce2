// The cache of Hugging Face's hub: models--NAME/snapshots/REVISION/FILE are links to models--NAME/blobs/HASH.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <halfstep/core/error.hpp>
#include <halfstep/core/text.hpp>
#include <halfstep/file/folder.hpp>
#include <halfstep/file/input_file.hpp>

namespace halfstep::safetensors::detail {

/// Returns the folder of the blobs of the snapshot in which `folder` lies, a real path that ends in a slash; empty where it lies
/// in none. With a slash at its end, and perhaps a link.
inline std::string blobs_of_snapshot(std::string const& folder) {
  auto const snapshots = folder.rfind("/snapshots/");
  return snapshots == std::string::npos ? std::string() : folder.substr(0, snapshots) + "/blobs/";
}

/// Returns the folder, with a slash at its end, of the blobs that `file`, a real path, is one of: that of a model in a cache
/// (models--NAME/blobs/HASH, with snapshots beside); empty for any other file.
inline std::string blobs_around(std::string const& file) {
  auto const folder = file::folder_of(file);
  constexpr std::string_view ending = "/blobs/";
  if (!folder.ends_with(ending)) return {};
  std::string const model = folder.substr(0, folder.size() - ending.size());
  bool const is_model = std::string_view(model).substr(model.rfind('/') + 1).starts_with("models--");
  return is_model && file::kind_of(model + "/snapshots") == file::path_kind::folder ? folder : std::string();
}

/// Returns where the file at `path` is read: there, or, where it is a link to a blob by a path of another machine, at the blob of
/// the same name in the blobs of its own snapshot.
inline std::string followed(std::string const& path) {
  if (file::kind_of(path) != file::path_kind::nothing) return path;
  auto const target = file::link_target(path);
  auto const name = target.rfind('/');
  if (name == std::string::npos || !std::string_view(target).substr(0, name).ends_with("/blobs")) return path;
  auto const folder = file::folder_of(path);
  if (file::kind_of(folder.empty() ? "." : folder) != file::path_kind::folder) return path;
  auto real = file::real_path(folder.empty() ? "." : folder);
  auto const blobs = blobs_of_snapshot(real.ends_with('/') ? real : real + '/');
  std::string const own = blobs + target.substr(name + 1);
  return !blobs.empty() && file::kind_of(own) == file::path_kind::file ? own : path;
}

/// Returns the snapshot that `folder`, models--NAME of a cache, stands for: that of refs/main, else the only one; nothing where
/// the folder is none. Throws io_error (open_input) where it holds several and refs/main names none of them.
inline std::optional<std::string> snapshot_in(std::string const& folder) {
  std::string const inside = folder.ends_with('/') ? folder : folder + '/';
  if (file::kind_of(inside + "snapshots") != file::path_kind::folder) return std::nullopt;
  auto names = file::names_in(inside + "snapshots");
  std::erase_if(names, [](std::string_view name) { return name.starts_with('.'); });
  if (names.empty()) return std::nullopt;
  if (file::kind_of(inside + "refs/main") == file::path_kind::file) {
    file::input_file const file(inside + "refs/main");
    std::string revision(std::min<std::uint64_t>(file.size(), 256), '\0');
    file.read(0, std::as_writable_bytes(std::span(revision)));
    revision.erase(std::min(revision.find_first_of("\r\n "), revision.size()));
    if (std::ranges::find(names, revision) != names.end()) return inside + "snapshots/" + revision;
  }
  if (names.size() == 1) return inside + "snapshots/" + names.front();
  file::detail::fail(io_stage::open_input, "cannot open", folder,
                     stated("model.several_snapshots",
                            "it holds several snapshots, {'snapshot}, {'other}{more}; give the one you mean, in its folder "
                            "snapshots",
                            {{"snapshot", names[0]}, {"other", names[1]}, {"more", names.size() > 2 ? " and more" : ""}}));
}

}  // namespace halfstep::safetensors::detail
