// A safetensors calibration file, opened: which statistics of which layers it holds, and who shares them.
#pragma once

#include <algorithm>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <halfstep/calibration/alias_json.hpp>
#include <halfstep/calibration/entries.hpp>
#include <halfstep/calibration/input_rows.hpp>
#include <halfstep/core/error.hpp>
#include <halfstep/core/text.hpp>
#include <halfstep/safetensors/reader.hpp>

namespace halfstep {

/// Returns the statistic that files call `name`, or nothing.
inline std::optional<statistic> statistic_of(std::string_view name) {
  auto const found = std::find(statistic_names.begin(), statistic_names.end(), name);
  if (found == statistic_names.end()) return std::nullopt;
  return static_cast<statistic>(found - statistic_names.begin());
}

/// Opens the file `path`, adds its statistics and aliases to `entries`, the names of other tensors to `strangers`, and returns
/// it.
///
/// Throws io_error, and format_error for a source that is neither captured nor synthetic, aliases that are no names, and a
/// statistic that `entries` has already.
inline std::shared_ptr<safetensors::reader const> add_statistics(std::string const& path, calibration_entries& entries,
                                                                 std::vector<std::string>& strangers) {
  auto file = std::make_shared<safetensors::reader const>(path);
  auto from = statistics_source::captured;
  for (auto const& [key, value] : file->head().metadata()) {
    if (key == "aliases")
      for (auto const& [layer, owner] : parse_aliases(path, value)) entries.add_alias(layer, owner, path);
    if (key != "source") continue;
    if (value != "captured" && value != "synthetic")
      throw format_error(
          stated("calibration.unknown_source",
                 "cannot read the calibration data {'path}: its source is {'source}, not 'captured' or 'synthetic'",
                 {{"path", path}, {"source", value}}));
    if (value == "synthetic") from = statistics_source::synthetic;
  }
  for (auto const& t : file->head().tensors()) {
    auto const dot = t.name.rfind('.');
    auto const what = dot == std::string::npos ? std::nullopt : statistic_of(std::string_view(t.name).substr(dot + 1));
    if (what)
      entries.add(t.name.substr(0, dot), *what, {.name = t.name, .path = path, .from = from, .file = file, .tensor = &t});
    else
      strangers.push_back(t.name);
  }
  return file;
}

}  // namespace halfstep
