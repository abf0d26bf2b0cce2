// What several calibration files say of one layer, counted together.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <halfstep/calibration/channel_figures.hpp>
#include <halfstep/calibration/entries.hpp>
#include <halfstep/calibration/input_rows.hpp>
#include <halfstep/calibration/item_checks.hpp>
#include <halfstep/calibration/moments.hpp>
#include <halfstep/calibration/unseen.hpp>
#include <halfstep/core/buffer.hpp>
#include <halfstep/core/error.hpp>
#include <halfstep/core/matrix_view.hpp>
#include <halfstep/exec/concept.hpp>
#include <halfstep/linalg/gram.hpp>

namespace halfstep {

/// Figures of a layer's inputs; those that are not known are empty.
struct merged_figures {
  std::vector<float> channel_max;
  std::vector<float> channel_mean;
  std::vector<float> channel_sq;
  std::optional<float> input_scale;  ///< max |x| / 127, at least 1e-30
};

/// A layer in one or several calibration files.
///
/// A file that states a `count` is believed in what else it states. Where it states none its rows count, and whatever it states
/// beside them, of who knows how many rows, is ignored but for maxima. A layer with neither can be copied and not merged. What a
/// file says of nothing, rows that are all zero or a count of 0, is left out.
class merged_layer {
 public:
  /// Takes the layer's entry of each file that has one. Throws what `detail::require_sound` does; format_error where the files
  /// disagree about the number of columns, or where two are to be merged and one does not say of how many rows it is.
  merged_layer(std::string name, std::vector<calibration_entry const*> const& entries) : name_(std::move(name)) {
    for (auto const* e : entries) add(*e);
    for (auto const& p : parts_) count_ += p.count;
    for (auto const& p : parts_)
      if (p.count == 0 && parts_.size() > 1)
        throw format_error(
            stated("calibration.no_count",
                   "{item} cannot be merged: there are no rows and no `.count` beside it to say of how many rows it is",
                   {{"item", p.any().described()}}));
    for (std::size_t i = 0; i < parts_.size(); ++i)
      for (auto const what :
           {statistic::hessian, statistic::channel_max, statistic::channel_mean, statistic::channel_sq, statistic::input_scale})
        if (knows(i, what) != knows(0, what)) lacking_.emplace_back(what, parts_[knows(i, what) ? 0 : i].any().path);
  }

  std::string const& name() const { return name_; }
  index_t columns() const { return columns_; }
  index_t count() const { return count_; }       ///< of rows, 0 where no file says
  bool empty() const { return parts_.empty(); }  ///< no file says anything of its inputs

  /// Returns the statistics of files that say nothing of the layer's inputs, and why, such as "`p.input` is zero".
  std::vector<std::string> const& unseen() const { return unseen_; }

  /// Returns whether every file knows a figure of the layer. Throws format_error where only some of them do.
  bool has(statistic what) const {
    for (auto const& [lacks, path] : lacking_)
      if (lacks == what)
        throw format_error(
            stated("calibration.missing_statistic",
                   "cannot merge the calibration data of {'layer}: {'path} has no `.{statistic}`, and another file has{advice}",
                   {{"layer", name_},
                    {"path", path},
                    {"statistic", statistic_names[static_cast<std::size_t>(what)]},
                    {"advice", what == statistic::hessian ? "; leave it out of all with `no hessian`" : ""}}));
    return knows(0, what);
  }

  /// Returns the rows of all files, in their order; empty where none has any.
  std::vector<calibration_item const*> rows() const {
    std::vector<calibration_item const*> found;
    for (auto const& p : parts_)
      if (auto const* rows = p.at(statistic::input); rows != nullptr && rows->shape()[0] != 0) found.push_back(rows);
    return found;
  }

  /// Returns maxima, means weighted by the counts, and a scale. Reads rows once. Throws value_error, io_error.
  template <host_executor Executor>
  merged_figures figures(Executor const& ex) const {
    auto const n = static_cast<std::size_t>(columns_);
    std::vector<double> sum(n), square_sum(n);
    merged_figures found;
    std::vector<float> max(n);
    float scale = 0.0f;
    for (auto const& p : parts_) {
      auto const measured = p.counts_rows ? std::optional(measure_channels(ex, rows_of(p))) : std::nullopt;
      auto const weight = static_cast<double>(std::max<index_t>(p.count, 1));
      auto const add = [&](statistic what, std::vector<double> const* from_rows, std::vector<double>& into) {
        auto const* const item = p.states_count || from_rows == nullptr ? p.at(what) : nullptr;
        auto const stated = item != nullptr ? detail::values_of(*item) : std::vector<float>();
        for (std::size_t j = 0; j < n; ++j) {
          if (!stated.empty())
            into[j] += weight * static_cast<double>(stated[j]);
          else if (from_rows != nullptr)
            into[j] += (*from_rows)[j];
        }
      };
      add(statistic::channel_mean, measured ? &measured->sum : nullptr, sum);
      add(statistic::channel_sq, measured ? &measured->square_sum : nullptr, square_sum);
      if (auto const* item = p.at(statistic::channel_max)) raise(max, detail::values_of(*item));
      if (measured) raise(max, measured->max);
      if (auto const* item = p.at(statistic::input_scale)) scale = std::max(scale, detail::values_of(*item)[0]);
    }
    auto const total = static_cast<double>(std::max<index_t>(count_, 1));
    auto const mean = [&](std::vector<double> const& sums) {
      std::vector<float> values;
      for (double const x : sums) values.push_back(static_cast<float>(x / total));
      for (float const x : values)
        if (!std::isfinite(x))
          throw value_error(
              stated("calibration.too_large", "calibration data of {'layer} holds values beyond 1e19", {{"layer", name_}}));
      return values;
    };
    if (has(statistic::channel_mean)) found.channel_mean = mean(sum);
    if (has(statistic::channel_sq)) found.channel_sq = mean(square_sum);
    for (float const x : max) scale = std::max(scale, x / 127.0f);
    if (has(statistic::input_scale)) found.input_scale = std::max(scale, 1e-30f);
    if (has(statistic::channel_max)) found.channel_max = std::move(max);
    return found;
  }

  /// Returns the sum of x x^T [N, N] over all rows, both triangles. Reads rows and stored Hessians in pieces: N^2 floats and a
  /// piece of memory, n N^2 flops. On one machine the same bits for every number of threads. Throws value_error, io_error.
  template <host_executor Executor>
  host_buffer<float> hessian(Executor const& ex) const {
    extents2 const square{columns_, columns_};
    host_buffer<float> sum(square.count());
    auto const h = sum.view(square);
    ex.for_each(columns_, [&](index_t i) { std::fill_n(h.row(i), columns_, 0.0f); });
    for (auto const& p : parts_) {
      if (auto const* stored = p.states_count ? p.at(statistic::hessian) : nullptr)
        add_stored(ex, *stored, h);
      else
        detail::add_moments(ex, rows_of(p), {}, h);
    }
    ex.for_each(columns_, [&](index_t i) {
      for (index_t j = 0; j <= i; ++j)
        if (!std::isfinite(h(i, j)))
          throw value_error(stated("calibration.not_finite",
                                   "calibration data of {'layer} holds NaN, infinity or too large values", {{"layer", name_}}));
    });
    mirror_lower(ex, h);
    return sum;
  }

 private:
  struct part {
    calibration_entry const* entry;
    index_t count;      ///< of rows behind the figures, 0: unknown
    bool states_count;  ///< so that stated figures are of that many rows
    bool counts_rows;   ///< the rows in the file are those that are counted

    calibration_item const* at(statistic what) const {
      auto const& item = entry->items[static_cast<std::size_t>(what)];
      return item ? &*item : nullptr;
    }
    calibration_item const& any() const {
      return **std::find_if(entry->items.begin(), entry->items.end(), [](auto const& item) { return item.has_value(); });
    }
  };

  /// Takes what an entry says, unless that is nothing.
  void add(calibration_entry const& e) {
    part p = part_of(e);
    std::vector<std::string> why;
    std::size_t silent = 0;
    detail::for_each_unseen(e, [&](calibration_item const&, std::string text) {
      ++silent;
      if (!text.empty()) why.push_back(std::move(text));
    });
    auto const all = std::count_if(e.items.begin(), e.items.end(), [](auto const& item) { return item.has_value(); });
    bool const counts = p.at(statistic::count) != nullptr && !detail::counts_nothing(e);
    if (silent + (counts ? 1 : 0) < static_cast<std::size_t>(all))
      parts_.push_back(p);
    else
      unseen_.insert(unseen_.end(), why.begin(), why.end());
  }

  part part_of(calibration_entry const& e) {
    part p{&e, 0, false, false};
    for (std::size_t i = 0; i < e.items.size(); ++i) {
      if (!e.items[i] || static_cast<statistic>(i) == statistic::count || static_cast<statistic>(i) == statistic::input_scale)
        continue;
      auto const shape = e.items[i]->shape();
      auto const width = shape.empty() ? index_t{0} : static_cast<index_t>(shape.back());
      if (columns_ == 0) columns_ = width;
      if (width != columns_ || width == 0)
        throw format_error(stated("calibration.misfit",
                                  "{item} is for {columns} inputs, and other statistics of the layer are for {others}",
                                  {{"item", e.items[i]->described()}, {"columns", width}, {"others", columns_}}));
    }
    for (std::size_t i = 0; i < e.items.size(); ++i)
      if (e.items[i]) detail::require_sound(static_cast<statistic>(i), *e.items[i], columns_);
    auto const* const count = p.at(statistic::count);
    auto const* const rows = p.at(statistic::input);
    if (count != nullptr) p.count = detail::stored_count(*count);
    p.states_count = p.count != 0;
    auto const n = rows == nullptr ? index_t{0} : static_cast<index_t>(rows->shape()[0]);
    p.counts_rows = n != 0 && (p.count == 0 || p.count == n);
    if (p.count == 0) p.count = n;
    if (p.at(statistic::hessian) != nullptr && count == nullptr && !p.counts_rows)
      throw format_error(stated("calibration.no_count",
                                "{item} needs the number of its samples beside it, an I64 scalar `.count`",
                                {{"item", p.at(statistic::hessian)->described()}}));
    return p;
  }

  bool knows(std::size_t i, statistic what) const {
    auto const& p = parts_[i];
    bool const has_maxima = what == statistic::input_scale && p.at(statistic::channel_max) != nullptr;
    return p.counts_rows || has_maxima || p.at(what) != nullptr;
  }

  static input_rows rows_of(part const& p) {
    auto const& item = *p.at(statistic::input);
    return {item.file, *item.tensor, item.from};
  }

  static void raise(std::vector<float>& max, std::vector<float> const& other) {
    for (std::size_t j = 0; j < max.size(); ++j) max[j] = std::max(max[j], other[j]);
  }

  template <class Executor>
  static void add_stored(Executor const& ex, calibration_item const& stored, host_view<float> sum) {
    index_t const n = sum.columns();
    index_t const piece = std::clamp<index_t>((index_t{1} << 20) / n, 1, n);
    host_buffer<float> rows(piece * n);
    for (index_t first = 0; first < n; first += piece) {
      index_t const height = std::min(piece, n - first);
      std::span const into(rows.data(), static_cast<std::size_t>(height * n));
      stored.file->read(*stored.tensor, static_cast<std::uint64_t>(first * n) * sizeof(float), std::as_writable_bytes(into));
      ex.for_each(height, [&](index_t i) {
        for (index_t j = 0; j <= first + i; ++j) sum(first + i, j) += rows[i * n + j];
      });
    }
  }

  std::string name_;
  index_t columns_ = 0;
  index_t count_ = 0;
  std::vector<part> parts_;
  std::vector<std::string> unseen_;
  std::vector<std::pair<statistic, std::string>> lacking_;
};

}  // namespace halfstep
