// A model opened by whatever path it was given, its shards read as one.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <halfstep/core/error.hpp>
#include <halfstep/core/text.hpp>
#include <halfstep/file/folder.hpp>
#include <halfstep/file/input_file.hpp>
#include <halfstep/safetensors/header.hpp>
#include <halfstep/safetensors/hub_cache.hpp>
#include <halfstep/safetensors/model_location.hpp>
#include <halfstep/safetensors/reader.hpp>
#include <halfstep/safetensors/shard_index.hpp>

namespace halfstep::safetensors {

/// A model that is open, and what is to be said of how it was found, one sentence each.
struct opened_model {
  reader file;
  std::vector<std::string> notes = {};
  std::vector<std::string> warnings = {};
};

namespace detail {

/// Puts the shards that an index names together into one model.
class shard_joiner {
 public:
  explicit shard_joiner(model_location const& from) : path_(from.path), index_(*from.index), names_(index_.files()) {}

  opened_model join() {
    files_.emplace_back(followed(path_));
    require_inside();
    for (std::size_t shard = 0; shard < names_.size(); ++shard) add(shard);
    require_all();
    if (left_out_ > 0)
      warnings_.push_back(std::to_string(left_out_) + (left_out_ == 1 ? " tensor" : " tensors") + " of the shards, " +
                          quoted(first_left_out_) + " first, " + (left_out_ == 1 ? "is" : "are") +
                          " not in the index and left out");
    return {reader(path_, std::move(files_), header(std::move(tensors_), std::move(metadata_)), std::move(places_)),
            {},
            std::move(warnings_)};
  }

 private:
  [[noreturn]] void refuse(message why) const {
    throw format_error(
        within(std::move(why), "cannot read {'path}: {why}; get the model again from its source", {{"path", path_}}));
  }

  std::string shard_at(std::size_t shard) const { return followed(file::folder_of(path_) + names_[shard]); }

  /// Throws where a shard is missing, or a link that leads out of the model's folder. In the cache of Hugging Face's hub all
  /// files are links from `<model>/snapshots/<revision>` to `<model>/blobs`, which belongs to the model too; in a folder outside
  /// the cache they may be links to the blobs of one model in it.
  void require_inside() const {
    if (names_.empty()) return;
    std::string const folder = file::folder_of(path_);
    std::string real = file::real_path(folder.empty() ? "." : folder);
    if (!real.ends_with('/')) real += '/';
    std::string blobs = blobs_of_snapshot(real);
    if (file::kind_of(blobs) == file::path_kind::folder) blobs = file::real_path(blobs) + '/';
    for (std::size_t shard = 0; shard < names_.size(); ++shard) {
      if (file::kind_of(shard_at(shard)) == file::path_kind::nothing)
        throw io_error(
            io_stage::open_input,
            stated(
                "model.missing_shard",
                "cannot read {'path}: its shard {'shard} is missing; get it from the model's source and put it beside the index",
                {{"path", path_}, {"shard", names_[shard]}}));
      auto const leads_to = file::real_path(shard_at(shard));
      if (blobs.empty()) blobs = blobs_around(leads_to);
      if (!leads_to.starts_with(real) && (blobs.empty() || !leads_to.starts_with(blobs)))
        throw format_error(stated(
            "model.shard_outside",
            "cannot read {'path}: its shard {'shard} leads to {'leads_to}, outside the model's folder; put the file itself there",
            {{"path", path_}, {"shard", names_[shard]}, {"leads_to", leads_to}}));
    }
  }

  void add(std::size_t shard) {
    auto const& file = files_.emplace_back(shard_at(shard));
    auto const opened = read_header(file);
    bool is_open = false;  // the last place takes the next tensor too
    for (tensor t : opened.head.tensors()) {
      auto const* const owner = owner_of(t.name);
      if (owner != nullptr && *owner != names_[shard])
        refuse(stated("model.in_two_shards", "tensor {'tensor} lies in two shards, {'shard} and {'other}",
                      {{"tensor", t.name}, {"shard", *owner}, {"other", names_[shard]}}));
      if (owner == nullptr) {
        if (left_out_++ == 0) first_left_out_ = t.name;
        is_open = false;
        continue;
      }
      if (!is_open) places_.push_back({bytes_, files_.size() - 1, opened.data_begin + t.begin});
      is_open = true;
      t.end = bytes_ + t.bytes();
      t.begin = bytes_;
      bytes_ = t.end;
      tensors_.push_back(std::move(t));
    }
    for (auto const& [key, value] : opened.head.metadata()) add_metadata(shard, key, value);
  }

  /// Keeps a pair; of several with one key the first.
  void add_metadata(std::size_t shard, std::string const& key, std::string const& value) {
    auto const same = std::find_if(metadata_.begin(), metadata_.end(), [&](auto const& pair) { return pair.first == key; });
    if (same == metadata_.end()) {
      metadata_.emplace_back(key, value);
    } else if (same->second != value) {
      warnings_.push_back("the metadata " + quoted(key) + " of " + quoted(names_[shard]) +
                          " is not that of the shards before it, which is kept");
    }
  }

  void require_all() const {
    if (tensors_.size() == index_.weight_map.size()) return;
    std::vector<std::string_view> found;
    for (tensor const& t : tensors_) found.push_back(t.name);
    std::sort(found.begin(), found.end());
    for (auto const& [name, file] : index_.weight_map)
      if (!std::binary_search(found.begin(), found.end(), name))
        refuse(
            stated("model.not_in_shard", "tensor {'tensor} is not in its shard {'shard}", {{"tensor", name}, {"shard", file}}));
  }

  std::string const* owner_of(std::string_view name) const {
    auto const& map = index_.weight_map;
    auto const found =
        std::lower_bound(map.begin(), map.end(), name, [](auto const& e, std::string_view wanted) { return e.first < wanted; });
    return found != map.end() && found->first == name ? &found->second : nullptr;
  }

  std::string path_;
  shard_index const& index_;
  std::vector<std::string> names_;
  std::vector<file::input_file> files_;
  std::vector<tensor> tensors_;
  std::vector<data_place> places_;
  metadata_list metadata_;
  std::uint64_t bytes_ = 0;
  std::size_t left_out_ = 0;
  std::string first_left_out_;
  std::vector<std::string> warnings_;
};

/// Opens a model in one file, a link of Hugging Face's cache perhaps: called `path` wherever its bytes lie.
inline reader opened_file(std::string const& path) {
  auto const where = followed(path);
  if (where == path) return reader(path);
  std::vector<file::input_file> files;
  auto opened = read_header(files.emplace_back(where));
  return {path, std::move(files), std::move(opened.head), {{0, 0, opened.data_begin}}};
}

}  // namespace detail

/// Opens the model that `locate_model` finds at `path`.
///
/// Shards are read as one file: tensors in the order of the shards' names, metadata united. Only what the index maps counts.
/// Throws what `locate_model` and `reader` throw, io_error (open_input) for a missing shard, and format_error for a shard that is
/// a link out of the model's folder (its blobs in Hugging Face's cache belong to it), for a tensor that is not in its shard, and
/// for one that lies in two.
inline opened_model open_model(std::string const& path) {
  auto const found = locate_model(path);
  opened_model opened = found.index ? detail::shard_joiner(found).join() : opened_model{detail::opened_file(found.path)};
  opened.notes.insert(opened.notes.begin(), found.notes.begin(), found.notes.end());
  opened.warnings.insert(opened.warnings.begin(), found.warnings.begin(), found.warnings.end());
  return opened;
}

}  // namespace halfstep::safetensors
