// Calibration files whose layers are counted together.
#pragma once

#include <cstddef>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <halfstep/calibration/entries.hpp>
#include <halfstep/calibration/input_rows.hpp>
#include <halfstep/calibration/merged_layer.hpp>
#include <halfstep/calibration/open_statistics.hpp>
#include <halfstep/core/error.hpp>
#include <halfstep/core/text.hpp>
#include <halfstep/core/words.hpp>
#include <halfstep/file/file_identity.hpp>
#include <halfstep/safetensors/reader.hpp>

namespace halfstep {

/// Safetensors files of captured inputs, with what each layer, under one name in all of them, has in them together.
class merged_files {
 public:
  /// Opens the files. Throws io_error; format_error and value_error as `merged_layer` does, for synthetic inputs, for aliases
  /// that contradict each other or lead nowhere, and for files without any statistic.
  explicit merged_files(std::vector<std::string> const& paths) {
    std::map<std::string, std::vector<calibration_entry const*>> found;
    calibration_entries shared;
    for (auto const& path : paths) {
      auto& entries = *entries_.emplace_back(std::make_unique<calibration_entries>());
      files_.push_back(add_statistics(path, entries, strangers_));
      for (std::size_t i = 0; i + 1 < files_.size(); ++i)
        if (files_[i]->identity().same_file(files_.back()->identity()))
          throw format_error(stated("calibration.same_file",
                                    "the calibration data {'path} is {'first} again: its rows would be counted twice",
                                    {{"path", path}, {"first", files_[i]->path()}}));
      for (auto const& [name, entry] : entries.all()) {
        if (!entry.alias.empty()) shared.add_alias(name, entry.alias, path);
        bool has_any = false;
        for (auto const& item : entry.items) {
          if (!item) continue;
          has_any = true;
          if (item->from == statistics_source::synthetic)
            throw format_error(stated("calibration.synthetic",
                                      "cannot use the calibration data {'path}: its source is synthetic, and random numbers say "
                                      "nothing of a model's inputs; capture real ones",
                                      {{"path", path}}));
        }
        if (has_any) found[name].push_back(&entry);
      }
    }
    for (auto const& [name, entry] : shared.all())
      if (!entry.alias.empty()) aliases_.emplace_back(name, entry.alias);
    for (auto const& [name, owner] : aliases_)
      if (!found.contains(owner) && !shared.all().contains(owner))
        throw format_error(stated("calibration.alias_of_nothing",
                                  "calibration data: {'layer} shares the statistics of {'alias}, and no file has any",
                                  {{"layer", name}, {"alias", owner}}));
    for (auto const& [name, parts] : found) {
      merged_layer layer(name, parts);
      unseen_.insert(unseen_.end(), layer.unseen().begin(), layer.unseen().end());
      if (!layer.empty()) layers_.push_back(std::move(layer));
    }
    leave_out_aliases_of_nothing();
    if (layers_.empty() && !unseen_.empty())
      throw format_error(
          stated("calibration.nothing_seen",
                 "the calibration data {'path} has statistics of nothing alone: {layers}; capture inputs that reach these layers",
                 {{"path", paths.front()}, {"layers", some_of(unseen_)}}));
    if (layers_.empty())
      throw format_error(stated("calibration.empty",
                                "the calibration data {'path} holds no `<layer>.input` and no other statistic; write it with "
                                "examples/calibrate/capture.py",
                                {{"path", paths.empty() ? "" : paths.front()}}));
  }

  /// Returns the layers in the order of their names.
  std::vector<merged_layer> const& layers() const { return layers_; }

  /// Returns who shares whose statistics, sorted.
  std::vector<std::pair<std::string, std::string>> const& aliases() const { return aliases_; }

  /// Returns the statistics that say nothing of a layer's inputs, and why, such as "`p.input` is zero": they are left out.
  std::vector<std::string> const& unseen() const { return unseen_; }

  /// Returns the names of tensors that are no statistic.
  std::vector<std::string> const& strangers() const { return strangers_; }

  /// Returns which files these are, so that none of them is overwritten.
  std::vector<file::file_identity> identities() const {
    std::vector<file::file_identity> all;
    for (auto const& file : files_) all.push_back(file->identity());
    return all;
  }

  /// Throws io_error where a file is not what it was when opened.
  void require_unchanged() const {
    for (auto const& file : files_) file->require_unchanged();
  }

 private:
  /// Leaves out aliases that lead to layers of which nothing is known.
  void leave_out_aliases_of_nothing() {
    std::set<std::string> known;
    for (auto const& layer : layers_) known.insert(layer.name());
    std::size_t before = 0;
    while (std::exchange(before, known.size()) != known.size())
      for (auto const& [name, owner] : aliases_)
        if (known.contains(owner)) known.insert(name);
    std::erase_if(aliases_, [&](auto const& alias) { return !known.contains(alias.second); });
  }

  std::vector<std::unique_ptr<calibration_entries>> entries_;
  std::vector<std::shared_ptr<safetensors::reader const>> files_;
  std::vector<std::string> strangers_;
  std::vector<std::pair<std::string, std::string>> aliases_;
  std::vector<merged_layer> layers_;
  std::vector<std::string> unseen_;
};

}  // namespace halfstep
