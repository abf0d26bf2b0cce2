// What the path of a model stands for: a file, an index, a folder with either, or one shard of many.
#pragma once

#include <algorithm>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <halfstep/core/error.hpp>
#include <halfstep/core/text.hpp>
#include <halfstep/file/folder.hpp>
#include <halfstep/file/input_file.hpp>
#include <halfstep/safetensors/hub_cache.hpp>
#include <halfstep/safetensors/shard_index.hpp>

namespace halfstep::safetensors {

/// Where a model lies.
struct model_location {
  std::string path;                     ///< of the file, or of the index
  std::optional<shard_index> index;     ///< of a model in shards
  std::vector<std::string> notes = {};  ///< one sentence each: what else the path was taken for
  std::vector<std::string> warnings = {};

  /// Returns the paths of all files.
  std::vector<std::string> files() const {
    std::vector all{detail::followed(path)};
    if (!index) return all;
    std::string const folder = file::folder_of(path);
    for (auto const& file : index->files()) all.push_back(detail::followed(folder + file));
    return all;
  }
};

namespace detail {

inline bool is_index_name(std::string_view name) {
  return name.ends_with(".json") && name.find(".safetensors.index.") != std::string_view::npos;
}

// Whether `name` ends as shards do, in "-00001-of-00003.safetensors".
inline bool is_shard_name(std::string_view name) {
  constexpr std::string_view digits = "0123456789";
  auto const take = [&](std::string_view ending) {
    if (!name.ends_with(ending)) return false;
    name.remove_suffix(ending.size());
    return true;
  };
  auto const take_number = [&] {
    auto const last = name.find_last_not_of(digits);
    if (last == std::string_view::npos || last + 1 == name.size()) return false;
    name = name.substr(0, last + 1);
    return true;
  };
  return take(".safetensors") && take_number() && take("-of-") && take_number() && take("-");
}

inline model_location located_index(std::string path) {
  auto index = read_shard_index(file::input_file(followed(path)));
  return {std::move(path), std::move(index)};
}

// At most three of `names`, quoted.
inline std::string first_names(std::vector<std::string> const& names) {
  std::string text;
  for (std::size_t i = 0; i < std::min<std::size_t>(names.size(), 3); ++i) text += (i == 0 ? "" : ", ") + quoted(names[i]);
  return text + (names.size() > 3 ? " and " + std::to_string(names.size() - 3) + " more" : "");
}

// What a folder without a safetensors file holds instead, and what to do.
inline std::string others_in(std::string const& folder) {
  std::vector<std::string> others, folders;
  std::string const inside = folder.ends_with('/') ? folder : folder + '/';
  for (auto const& name : file::names_in(folder)) {
    for (std::string_view const ending : {".gguf", ".ckpt", ".pt", ".pth", ".bin", ".h5", ".onnx", ".msgpack"})
      if (name.ends_with(ending)) others.push_back(name);
    if (name.starts_with('.') || file::kind_of(inside + name) != file::path_kind::folder) continue;
    auto const below = file::names_in(inside + name);
    if (std::ranges::any_of(below, [](auto const& file) { return file.ends_with(".safetensors"); })) folders.push_back(name);
  }
  if (!folders.empty()) return ", but folders that do: " + first_names(folders) + "; give one of them";
  if (others.empty()) return "; check the path";
  return ", but " + first_names(others) + ", which this program does not read; get the model as safetensors";
}

inline model_location located_in_folder(std::string const& folder) {
  std::vector<std::string> indexes, files;
  for (auto const& name : file::names_in(folder)) {
    if (is_index_name(name)) indexes.push_back(name);
    if (name.ends_with(".safetensors")) files.push_back(name);
  }
  std::string const inside = folder.ends_with('/') ? folder : folder + '/';
  if (indexes.size() == 1) return located_index(inside + indexes.front());
  if (indexes.size() > 1)
    file::detail::fail(io_stage::open_input, "cannot open", folder,
                       stated("model.several_indexes", "it holds several indexes, {indexes}; give the one you mean",
                              {{"indexes", first_names(indexes)}}));
  if (files.size() == 1 && !is_shard_name(files.front())) return {inside + files.front(), std::nullopt};
  if (files.empty()) {
    if (auto const snapshot = snapshot_in(folder)) return located_in_folder(*snapshot);
    file::detail::fail(io_stage::open_input, "cannot open", folder,
                       stated("model.none", "it holds no safetensors file{others}", {{"others", others_in(folder)}}));
  }
  file::detail::fail(io_stage::open_input, "cannot open", folder,
                     stated("model.no_index",
                            "it holds {files} and no index (.safetensors.index.json); give the file you mean, or add the index "
                            "of the shards",
                            {{"files", first_names(files)}}));
}

// A file that is called like a shard: the model that an index beside it puts it into.
inline model_location located_by_shard(std::string path) {
  std::string const folder = file::folder_of(path);
  std::string const name = path.substr(folder.size());
  for (auto const& beside : file::names_in(folder.empty() ? "." : folder)) {
    if (!is_index_name(beside)) continue;
    auto found = located_index(folder + beside);
    auto const files = found.index->files();
    if (!std::binary_search(files.begin(), files.end(), name)) continue;
    found.notes.push_back(quoted(name) + " is one of the " + std::to_string(files.size()) + " shards of " + quoted(beside) +
                          ": the whole model is read");
    return found;
  }
  model_location alone{std::move(path), std::nullopt};
  alone.warnings.push_back(quoted(name) +
                           " is called like one shard of several, and no index beside it names it: its tensors alone are read");
  return alone;
}

}  // namespace detail

/// Returns what `path` stands for: a safetensors file, an index (any .json), a folder with one index or else one file, a model's
/// folder in the cache of Hugging Face's hub, or a file that an index beside it names as a shard, which stands for the whole
/// model.
///
/// Opens no shard. Throws io_error (open_input) where nothing is found, or too much, and format_error for a broken index.
inline model_location locate_model(std::string const& path) {
  if (file::kind_of(path) == file::path_kind::folder) return detail::located_in_folder(path);
  if (path.ends_with(".json")) return detail::located_index(path);
  if (file::kind_of(path) == file::path_kind::file && detail::is_shard_name(path)) return detail::located_by_shard(path);
  return {path, std::nullopt};
}

}  // namespace halfstep::safetensors
