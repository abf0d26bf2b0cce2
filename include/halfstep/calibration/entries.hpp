// The statistics of all calibration files, by layer.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <halfstep/calibration/input_rows.hpp>
#include <halfstep/core/error.hpp>
#include <halfstep/core/extents.hpp>
#include <halfstep/core/text.hpp>
#include <halfstep/safetensors/name_table.hpp>
#include <halfstep/safetensors/reader.hpp>

namespace halfstep {

/// What a calibration file can say of a layer.
enum class statistic : std::uint8_t { input, hessian, count, channel_max, channel_mean, channel_sq, input_scale };

/// The names of the statistics in files, in the order of the enumerators.
inline constexpr std::array<std::string_view, 7> statistic_names{"input",        "hessian",    "count",      "channel_max",
                                                                 "channel_mean", "channel_sq", "input_scale"};

/// One statistic of one layer: its numbers, or where they lie.
struct calibration_item {
  std::string name;  ///< as the file has it
  std::string path;
  statistics_source from = statistics_source::captured;
  std::vector<float> values = {};                        ///< of a JSON file
  std::shared_ptr<safetensors::reader const> file = {};  ///< of a safetensors file, else null
  safetensors::tensor const* tensor = nullptr;

  std::string described() const { return "calibration data " + quoted(path) + ": `" + name + "`"; }

  /// Returns the shape of its numbers.
  std::vector<std::uint64_t> shape() const {
    return tensor != nullptr ? tensor->shape : std::vector<std::uint64_t>{values.size()};
  }
};

/// All that the files say of one layer.
struct calibration_entry {
  std::array<std::optional<calibration_item>, statistic_names.size()> items = {};
  std::string alias = {};       ///< the layer whose statistics it shares, or empty
  std::string alias_path = {};  ///< the file that says so
};

/// The entries of all files under the names that the files use, found under any name that means the same layer.
class calibration_entries {
 public:
  /// Takes one statistic. Throws format_error where the layer has it already.
  void add(std::string const& layer, statistic what, calibration_item item) {
    auto& place = entry(layer).items[static_cast<std::size_t>(what)];
    if (place)
      throw format_error(stated("calibration.twice", "{item} is given a second time; the first is in {'first}",
                                {{"item", item.described()}, {"first", place->path}}));
    place = std::move(item);
  }

  /// Takes an alias. Throws format_error where the layer has another one.
  void add_alias(std::string const& layer, std::string const& owner, std::string const& path) {
    auto& [items, alias, alias_path] = entry(layer);
    if (!alias.empty() && alias != owner)
      throw format_error(stated("calibration.two_aliases", "calibration data: {'layer} is an alias of both {'alias} and {'other}",
                                {{"layer", layer}, {"alias", alias}, {"other", owner}}));
    alias = owner;
    alias_path = path;
  }

  /// Throws format_error for an alias of a layer that has no entry.
  void require_owners() const {
    for (auto const& [layer, e] : entries_)
      if (!e.alias.empty() && find(e.alias) == entries_.end())
        throw format_error(stated("calibration.alias_of_nothing",
                                  "calibration data: {'layer} shares the statistics of {'alias}, and no file has any",
                                  {{"layer", layer}, {"alias", e.alias}}));
  }

  /// Returns the entry of `layer` and those that its aliases lead to; nothing where there is none.
  ///
  /// The exact name comes first, then the name without prefixes. Throws format_error where that fits two entries.
  std::vector<calibration_entry const*> chain(std::string_view layer) const {
    std::vector<calibration_entry const*> found;
    for (auto const& place : places(layer)) found.push_back(&place->second);
    return found;
  }

  /// Returns the names of the entries that `layers` lead to.
  std::set<std::string, std::less<>> used(std::span<std::string const> layers) const {
    std::set<std::string, std::less<>> names;
    for (auto const& layer : layers)
      for (auto const& place : places(layer)) names.insert(place->first);
    return names;
  }

  /// Returns the names of the entries that none of `layers` leads to, sorted.
  std::vector<std::string> unmatched(std::span<std::string const> layers) const {
    auto const found = used(layers);
    std::vector<std::string> rest;
    for (auto const& [name, e] : entries_)
      if (!found.contains(name)) rest.push_back(name);
    return rest;
  }

  /// Returns the names of the entries that the file `path` says something of, or gives another name, sorted.
  std::vector<std::string> of_file(std::string_view path) const {
    std::vector<std::string> names;
    for (auto const& [name, e] : entries_)
      if (e.alias_path == path ||
          std::any_of(e.items.begin(), e.items.end(), [&](auto const& item) { return item && item->path == path; }))
        names.push_back(name);
    return names;
  }

  bool empty() const { return entries_.empty(); }

  /// Returns all entries under the names of the files, sorted.
  std::map<std::string, calibration_entry, std::less<>> const& all() const { return entries_; }

 private:
  using map = std::map<std::string, calibration_entry, std::less<>>;

  calibration_entry& entry(std::string const& layer) {
    auto const [place, made] = entries_.try_emplace(layer);
    if (made) names_.add(layer, layer);
    return place->second;
  }

  map::const_iterator find(std::string_view layer) const {
    if (auto const exact = entries_.find(layer); exact != entries_.end()) return exact;
    auto const names = names_.find(layer);
    if (names.empty()) return entries_.end();
    if (names.size() > 1)
      throw format_error(stated("calibration.ambiguous", "calibration data: {'layer} may be {'candidate} or {'other}",
                                {{"layer", layer}, {"candidate", names[0]}, {"other", names[1]}}));
    return entries_.find(names[0]);
  }

  std::vector<map::const_iterator> places(std::string_view layer) const {
    std::vector<map::const_iterator> found;
    for (auto at = find(layer); at != entries_.end() && std::find(found.begin(), found.end(), at) == found.end();) {
      found.push_back(at);
      at = at->second.alias.empty() ? entries_.end() : find(at->second.alias);
    }
    return found;
  }

  map entries_;
  name_table<std::string> names_;
};

}  // namespace halfstep
