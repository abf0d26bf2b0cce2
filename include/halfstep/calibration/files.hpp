// Calibration files: what they know of each layer's inputs.
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <halfstep/calibration/channel_figures.hpp>
#include <halfstep/calibration/entries.hpp>
#include <halfstep/calibration/hessian_diagonal.hpp>
#include <halfstep/calibration/input_rows.hpp>
#include <halfstep/calibration/item_checks.hpp>
#include <halfstep/calibration/json_statistics.hpp>
#include <halfstep/calibration/known_inputs.hpp>
#include <halfstep/calibration/layer_hessian.hpp>
#include <halfstep/calibration/open_statistics.hpp>
#include <halfstep/calibration/statistics.hpp>
#include <halfstep/core/error.hpp>
#include <halfstep/core/matrix_view.hpp>
#include <halfstep/core/text.hpp>
#include <halfstep/exec/concept.hpp>
#include <halfstep/exec/serial.hpp>
#include <halfstep/file/file_identity.hpp>
#include <halfstep/file/input_file.hpp>
#include <halfstep/kernel/hadamard.hpp>
#include <halfstep/safetensors/reader.hpp>

namespace halfstep {

/// Calibration files, open: safetensors with `<layer>.input`, `.hessian` and `.count`, `.channel_max`, `.channel_mean`,
/// `.channel_sq`, `.input_scale`, aliases and source in the metadata, or JSON.
///
/// A layer may carry a prefix in the file, in the model, in both or in neither. Statistics of synthetic inputs give a layer its
/// `rows` and `channel_max` and nothing else.
class calibration_files {
 public:
  calibration_files() = default;

  /// Opens the files and reads their headers, or all of a JSON file. Throws io_error, format_error, and usage_error for a name
  /// that ends in neither .safetensors nor .json.
  explicit calibration_files(std::vector<std::string> const& paths) {
    for (auto const& path : paths) {
      if (path.ends_with(".json"))
        add_json(path);
      else if (path.ends_with(".safetensors"))
        identities_.push_back(add_statistics(path, entries_, strangers_)->identity());
      else
        throw usage_error("calibration data comes in files that end in .safetensors or .json, not in " + quoted(path));
    }
    entries_.require_owners();
  }

  /// Returns whether there is anything at all.
  bool any() const { return !entries_.empty(); }

  /// Returns what is known of a layer of `columns` inputs, before rows and Hessians are read.
  ///
  /// Checks all that the files say of the layer but for the values of rows and Hessians. Throws format_error where a statistic
  /// has the wrong type or length, value_error where it holds NaN, infinity or a negative magnitude; both name it.
  known_inputs known(std::string_view layer, index_t columns) const {
    auto const all = entries_.chain(layer);
    for (auto const* e : all)
      for (std::size_t i = 0; i < e->items.size(); ++i)
        if (e->items[i]) detail::require_sound(static_cast<statistic>(i), *e->items[i], columns);
    if (auto const* hessian = pick(all, statistic::hessian, statistics_source::captured))
      static_cast<void>(count_of(all, *hessian));
    known_inputs k;
    bool const rows = pick(all, statistic::input, statistics_source::captured) != nullptr;
    k.mean = rows || pick(all, statistic::channel_mean, statistics_source::captured) != nullptr;
    if (pick(all, statistic::channel_max, statistics_source::synthetic) != nullptr ||
        pick(all, statistic::input, statistics_source::synthetic) != nullptr)
      k.maxima = channel_maxima::known;
    if (rows)
      k.range = known_range::any;
    else if (pick(all, statistic::channel_max, statistics_source::captured) != nullptr)
      k.range = known_range::unrotated;
    else if (pick(all, statistic::input_scale, statistics_source::captured) != nullptr)
      k.range = known_range::stated;
    return k;
  }

  /// Returns the statistics of a layer of `columns` inputs, in the basis in which columns are divided by `smoothing` (empty: they
  /// are not) and groups of `rotation_group` of them are rotated then (0: none); nothing where no file has any.
  ///
  /// What the file states wins over what follows from rows. Rows give everything, divided and rotated before they are summed; a
  /// Hessian gives `channel_sq`. A stated mean is divided and rotated itself; stated `channel_sq` and `channel_max` are divided,
  /// but cannot be rotated and are left out where the layer is; so is a stated `input_scale`, which cannot be divided either.
  /// Reads all rows once. The same bits on every executor. Throws as `known` does.
  template <host_executor Executor>
  std::optional<input_statistics> find(Executor const& ex, std::string_view layer, index_t columns, int rotation_group,
                                       std::span<float const> smoothing = {}) const {
    auto const all = entries_.chain(layer);
    if (all.empty()) return std::nullopt;
    static_cast<void>(known(layer, columns));
    input_statistics s;
    if (auto const* mean = pick(all, statistic::channel_mean, statistics_source::captured)) {
      s.channel_mean = detail::values_of(*mean);
      for (std::size_t j = 0; j < smoothing.size(); ++j) s.channel_mean[j] /= smoothing[j];
      if (rotation_group != 0) {
        host_view<float> const row(s.channel_mean.data(), {1, columns});
        hadamard_regular(serial{}, host_view<float const>(row), row, rotation_group);
      }
    }
    if (rotation_group == 0) take_stated(all, s, smoothing);
    if (auto const* rows = pick(all, statistic::input, statistics_source::synthetic)) {
      s.rows.emplace(rows->file, *rows->tensor, rows->from, rotation_group, smoothing);
      s.samples = s.rows->extents().rows;
      derive(ex, s);
    }
    if (auto const* hessian = pick(all, statistic::hessian, statistics_source::captured); hessian && s.channel_sq.empty()) {
      auto const count = count_of(all, *hessian);
      s.channel_sq = hessian_diagonal(*hessian, rotation_group, smoothing);
      for (float& x : s.channel_sq) x /= static_cast<float>(count);
      s.samples = std::max(s.samples, count);
    }
    return s;
  }

  /// Returns the name of the tensor that a layer's Hessian comes from, the same for layers that share it; nothing where no file
  /// has any. Synthetic inputs give none.
  std::optional<std::string> hessian_owner(std::string_view layer) const {
    auto const all = entries_.chain(layer);
    auto const* const item = second_moments(all);
    return item == nullptr ? std::nullopt : std::optional(item->path + ":" + item->name);
  }

  /// Returns H = E[(x - c)(x - c)^T] of the inputs x of a layer of `columns` inputs, in the basis in which groups of
  /// `rotation_group` columns are rotated (0: none) after they were divided by `smoothing` (empty: they were not), about `center`
  /// in that basis, or about zero where that is empty; nothing where no file has any.
  ///
  /// From rows, or from a stored Hessian where there are no rows or it sums more of them. Rows are streamed; a stored Hessian
  /// that is rotated takes its size twice. On one machine the same bits for every number of threads. Throws format_error,
  /// value_error and io_error.
  template <host_executor Executor>
  std::optional<layer_hessian> find_hessian(Executor const& ex, std::string_view layer, index_t columns, int rotation_group,
                                            std::span<float const> center = {}, std::span<float const> smoothing = {}) const {
    auto const all = entries_.chain(layer);
    auto const* const item = second_moments(all);
    if (item == nullptr) return std::nullopt;
    if (item == pick(all, statistic::input, statistics_source::captured)) {
      detail::require_sound(statistic::input, *item, columns);
      return moments_of(ex, input_rows(item->file, *item->tensor, item->from, rotation_group, smoothing), center);
    }
    detail::require_sound(statistic::hessian, *item, columns);
    return moments_of(ex, *item, count_of(all, *item), rotation_group, center, smoothing);
  }

  /// Returns what the files hold and none of `layers` uses: names of layers, and of tensors that are no statistic. Sorted.
  std::vector<std::string> unmatched(std::span<std::string const> layers) const {
    auto names = entries_.unmatched(layers);
    names.insert(names.end(), strangers_.begin(), strangers_.end());
    std::sort(names.begin(), names.end());
    return names;
  }

  /// Returns which files these are, so that none of them is overwritten.
  std::vector<file::file_identity> const& identities() const { return identities_; }

 private:
  using chain = std::vector<calibration_entry const*>;

  void add_json(std::string const& path) {
    file::input_file const file(path);
    identities_.push_back(file.identity());
    try {
      std::string text(static_cast<std::size_t>(std::min<std::uint64_t>(file.size(), max_json_statistics_bytes + 1)), '\0');
      file.read(0, std::as_writable_bytes(std::span(text)));
      for (auto& found : parse_json_statistics(text)) {
        std::string const name = found.layer + "." + found.name;
        auto const what = statistic_of(found.name);
        if (!what || *what < statistic::channel_max)
          strangers_.push_back(name);
        else
          entries_.add(found.layer, *what, {.name = name, .path = path, .values = std::move(found.values)});
      }
    } catch (format_error const& e) {
      throw format_error("cannot read the calibration data " + quoted(path) + ": " + e.what());
    }
  }

  /// Returns the first statistic of a kind along a chain of aliases; with `least` captured only a measured one.
  static calibration_item const* pick(chain const& all, statistic what, statistics_source least) {
    for (auto const* e : all) {
      auto const& item = e->items[static_cast<std::size_t>(what)];
      if (item && (least == statistics_source::synthetic || item->from == statistics_source::captured)) return &*item;
    }
    return nullptr;
  }

  /// Returns how many samples a Hessian sums: the count in the same entry.
  static index_t count_of(chain const& all, calibration_item const& hessian) {
    calibration_item const* item = nullptr;
    for (auto const* e : all) {
      auto const& mine = e->items[static_cast<std::size_t>(statistic::hessian)];
      auto const& count = e->items[static_cast<std::size_t>(statistic::count)];
      if (mine && &*mine == &hessian && count) item = &*count;
    }
    if (item == nullptr)
      throw format_error(hessian.described() + " needs the number of its samples beside it, an I64 scalar `.count`");
    return detail::stored_count(*item);
  }

  /// Returns what the second moments of a layer come from: rows, or a stored Hessian where that sums more of them.
  static calibration_item const* second_moments(chain const& all) {
    auto const* const rows = pick(all, statistic::input, statistics_source::captured);
    auto const* const stored = pick(all, statistic::hessian, statistics_source::captured);
    if (rows == nullptr || stored == nullptr) return rows != nullptr ? rows : stored;
    auto const shape = rows->shape();
    return !shape.empty() && static_cast<std::uint64_t>(count_of(all, *stored)) > shape[0] ? stored : rows;
  }

  static void take_stated(chain const& all, input_statistics& s, std::span<float const> smoothing) {
    if (auto const* sq = pick(all, statistic::channel_sq, statistics_source::captured)) s.channel_sq = detail::values_of(*sq);
    if (auto const* max = pick(all, statistic::channel_max, statistics_source::synthetic))
      s.channel_max = detail::values_of(*max);
    for (std::size_t j = 0; j < smoothing.size(); ++j) {
      if (!s.channel_sq.empty()) s.channel_sq[j] /= smoothing[j] * smoothing[j];
      if (!s.channel_max.empty()) s.channel_max[j] /= smoothing[j];
    }
    auto const* scale = pick(all, statistic::input_scale, statistics_source::captured);
    if (scale != nullptr && smoothing.empty()) {
      s.input_scale = detail::values_of(*scale)[0];
    } else if (pick(all, statistic::input, statistics_source::captured) == nullptr) {
      if (auto const* max = pick(all, statistic::channel_max, statistics_source::captured)) {
        auto values = detail::values_of(*max);
        for (std::size_t j = 0; j < smoothing.size(); ++j) values[j] /= smoothing[j];
        s.input_scale = scale_of(values);
      }
    }
  }

  static float scale_of(std::vector<float> const& channel_max) {
    return std::max(*std::max_element(channel_max.begin(), channel_max.end()) / 127.0f, 1e-30f);
  }

  /// Fills what the file does not state from its rows.
  template <host_executor Executor>
  static void derive(Executor const& ex, input_statistics& s) {
    bool const captured = s.rows->source() == statistics_source::captured;
    bool const measured = !s.channel_mean.empty() && !s.channel_sq.empty() && s.input_scale;
    if (!s.channel_max.empty() && (measured || !captured)) return;
    auto const figures = measure_channels(ex, *s.rows);
    if (captured && !s.input_scale) s.input_scale = scale_of(figures.max);
    if (captured && s.channel_mean.empty()) s.channel_mean = means(figures.sum, *s.rows);
    if (captured && s.channel_sq.empty()) s.channel_sq = means(figures.square_sum, *s.rows);
    if (s.channel_max.empty()) s.channel_max = figures.max;
  }

  static std::vector<float> means(std::vector<double> const& sums, input_rows const& rows) {
    std::vector<float> result;
    for (double const sum : sums) {
      result.push_back(static_cast<float>(sum / static_cast<double>(rows.extents().rows)));
      if (!std::isfinite(result.back())) throw value_error("calibration data: `" + rows.name() + "` holds values beyond 1e19");
    }
    return result;
  }

  calibration_entries entries_;
  std::vector<std::string> strangers_;
  std::vector<file::file_identity> identities_;
};

}  // namespace halfstep
