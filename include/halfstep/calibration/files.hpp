// Calibration files: what they know of each layer's inputs.
#pragma once

#include <algorithm>
#include <cstdint>
#include <iterator>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <halfstep/calibration/entries.hpp>
#include <halfstep/calibration/json_statistics.hpp>
#include <halfstep/calibration/layer_inputs.hpp>
#include <halfstep/calibration/open_statistics.hpp>
#include <halfstep/core/error.hpp>
#include <halfstep/core/nearest_names.hpp>
#include <halfstep/core/text.hpp>
#include <halfstep/file/file_identity.hpp>
#include <halfstep/file/input_file.hpp>
#include <halfstep/safetensors/foreign_content.hpp>
#include <halfstep/safetensors/reader.hpp>

namespace halfstep {

/// Calibration files, open: safetensors with `<layer>.input`, `.hessian` and `.count`, `.channel_max`, `.channel_mean`,
/// `.channel_sq`, `.input_scale`, aliases and source in the metadata, or JSON.
///
/// A layer may carry a prefix in the file, in the model, in both or in neither.
class calibration_files {
 public:
  calibration_files() = default;

  /// Opens the files and reads their headers, or all of a JSON file. Throws io_error, format_error, also for a file without any
  /// statistic, and usage_error for a name that ends in neither .safetensors nor .json.
  explicit calibration_files(std::vector<std::string> const& paths) : paths_(paths) {
    for (auto const& path : paths) {
      if (path.ends_with(".json"))
        add_json(path);
      else if (path.ends_with(".safetensors"))
        identities_.push_back(add_statistics(path, entries_, strangers_)->identity());
      else
        throw usage_error(stated("calibration.unknown_ending",
                                 "calibration data comes in files that end in .safetensors or .json, not in {'path}",
                                 {{"path", path}}));
    }
    entries_.require_owners();
    for (auto const& path : paths)
      if (entries_.of_file(path).empty())
        throw format_error(
            message{"calibration.empty",
                    "the calibration data " + quoted(path) +
                        " holds no `<layer>.input` and no other statistic of a layer; capture a model's inputs, or "
                        "leave the file out",
                    {{"file", path}}});
  }

  /// Returns whether there is anything at all.
  bool any() const { return !entries_.empty(); }

  /// Returns what the files say of a layer of `columns` inputs. It borrows from here. Throws as `layer_inputs` does.
  layer_inputs inputs_of(std::string_view layer, index_t columns) const { return {entries_.chain(layer), columns}; }

  /// Returns what the files hold and none of `layers` uses: names of layers, and of tensors that are no statistic. Sorted.
  std::vector<std::string> unmatched(std::span<std::string const> layers) const {
    auto names = entries_.unmatched(layers);
    names.insert(names.end(), strangers_.begin(), strangers_.end());
    std::sort(names.begin(), names.end());
    return names;
  }

  /// Throws format_error for a file of which nothing is used: none of its names leads to one of `layers`, those of the model that
  /// are quantized. It shows two of its names and the two that are nearest among `all`, the layers of the model.
  void require_used(std::span<std::string const> layers, std::span<std::string const> all) const {
    auto const used = entries_.used(layers);
    auto const fitting = entries_.used(all);
    for (auto const& path : paths_) {
      auto const names = entries_.of_file(path);
      if (std::any_of(names.begin(), names.end(), [&](auto const& name) { return used.contains(name); })) continue;
      std::vector<std::string> kept;
      std::copy_if(names.begin(), names.end(), std::back_inserter(kept),
                   [&](auto const& name) { return fitting.contains(name); });
      std::string const text = "nothing of the calibration data " + quoted(path) + " is used: ";
      if (kept.empty())
        throw format_error(message{"calibration.no_match",
                                   text + "its names fit no layer of the model; " + unmatched_in_words(names, all) +
                                       ": capture the inputs of this model, or give the file its names",
                                   {{"file", path}}});
      throw format_error(message{"calibration.kept_only",
                                 text + "the layers that it knows, such as " + two_of(kept) +
                                     ", are not quantized; `include` chooses them, or leave the file out",
                                 {{"file", path}}});
    }
  }

  /// Returns which files these are, so that none of them is overwritten.
  std::vector<file::file_identity> const& identities() const { return identities_; }

 private:
  void add_json(std::string const& path) {
    file::input_file const file(path);
    identities_.push_back(file.identity());
    try {
      std::string text(static_cast<std::size_t>(std::min<std::uint64_t>(file.size(), max_json_statistics_bytes + 1)), '\0');
      file.read(0, std::as_writable_bytes(std::span(text)));
      for (auto& found : parse_json_statistics(safetensors::json_content(text))) {
        std::string const name = found.layer + "." + found.name;
        auto const what = statistic_of(found.name);
        if (!what || *what < statistic::channel_max)
          strangers_.push_back(name);
        else
          entries_.add(found.layer, *what, {.name = name, .path = path, .values = std::move(found.values)});
      }
    } catch (format_error const& e) {
      throw format_error(within(e.said(), "cannot read the calibration data {'path}: {why}", {{"path", path}}));
    }
  }

  std::vector<std::string> paths_;
  calibration_entries entries_;
  std::vector<std::string> strangers_;
  std::vector<file::file_identity> identities_;
};

}  // namespace halfstep
