// All that calibration files say of one layer's inputs, in any basis.
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
#include <halfstep/calibration/hessian_diagonal.hpp>
#include <halfstep/calibration/input_rows.hpp>
#include <halfstep/calibration/item_checks.hpp>
#include <halfstep/calibration/known_inputs.hpp>
#include <halfstep/calibration/moments.hpp>
#include <halfstep/calibration/shrinkage.hpp>
#include <halfstep/calibration/statistics.hpp>
#include <halfstep/calibration/unseen.hpp>
#include <halfstep/core/buffer.hpp>
#include <halfstep/core/error.hpp>
#include <halfstep/core/matrix_view.hpp>
#include <halfstep/exec/concept.hpp>
#include <halfstep/exec/serial.hpp>
#include <halfstep/objective/hessian.hpp>
#include <halfstep/transform/basis.hpp>

namespace halfstep {

/// What the files say of a layer of N inputs. Its rows are read once, where `hold` says so, for figures, Hessian and outputs.
///
/// What the files state wins over what follows from rows. Statistics of synthetic inputs give `rows` and maxima and nothing else.
/// Statistics of nothing, such as sums over no rows and a maximum of zero, count as if they were not there.
class layer_inputs {
 public:
  /// Takes the layer's entry and those that its aliases lead to, and checks all that they say but for the values of rows and
  /// Hessians. Throws format_error where a statistic has the wrong type or length, value_error where it holds NaN, infinity or a
  /// negative magnitude; both name it.
  layer_inputs(std::vector<calibration_entry const*> entries, index_t columns) : entries_(std::move(entries)) {
    for (auto const* e : entries_)
      for (std::size_t i = 0; i < e->items.size(); ++i)
        if (e->items[i]) detail::require_sound(static_cast<statistic>(i), *e->items[i], columns);
    for (auto const* e : entries_)
      detail::for_each_unseen(*e, [&](calibration_item const& item, std::string why) {
        silent_.push_back(&item);
        if (!why.empty()) unseen_.push_back(std::move(why));
      });
    if (auto const* hessian = measured(statistic::hessian)) static_cast<void>(count_of(*hessian));
    if (auto const* rows = pick(statistic::input, statistics_source::synthetic))
      rows_.emplace(rows->file, *rows->tensor, rows->from);
  }

  /// Returns whether the files say anything.
  bool any() const { return !entries_.empty(); }

  /// Returns the statistics that say nothing of the layer's inputs, and why, such as "`p.input` is zero".
  std::vector<std::string> const& unseen() const { return unseen_; }

  /// Returns what is known, before rows and Hessians are read.
  known_inputs known() const {
    known_inputs k;
    bool const rows = measured(statistic::input) != nullptr;
    k.mean = rows || measured(statistic::channel_mean) != nullptr;
    if (pick(statistic::channel_max, statistics_source::synthetic) != nullptr || rows_) k.maxima = channel_maxima::known;
    if (rows)
      k.range = known_range::any;
    else if (measured(statistic::channel_max) != nullptr)
      k.range = known_range::unrotated;
    else if (measured(statistic::input_scale) != nullptr)
      k.range = known_range::stated;
    return k;
  }

  /// Reads the rows, so that their file is read once, unless they are large: see `input_rows::hold`.
  void hold() {
    if (rows_) rows_->hold();
  }

  /// Returns the rows that outputs are measured on, in the part of the basis `in` that keeps rows apart: every tenth of those
  /// that the files have. Nothing where that are fewer than `input_rows::least_split`.
  std::optional<input_rows> held_out(basis const& in) const {
    if (!rows_ || rows_->extents().rows < input_rows::least_split) return std::nullopt;
    return rows_->only(row_part::held_out).in(in.rows_alone());
  }

  /// Returns whether rows of measured inputs are known, so that codes may follow from them.
  bool has_rows() const { return measured(statistic::input) != nullptr; }

  /// Returns what is known without the rows that are held out: what the others say, and nothing that is stated beside them.
  /// Precondition: rows are held out, and measured.
  layer_inputs without_held_out() const {
    layer_inputs other = *this;
    other.rows_ = rows_->only(row_part::fitted);
    return other;
  }

  /// Returns the figures of the inputs in the basis `in`, the part of it that keeps rows apart.
  ///
  /// Rows give everything, changed before they are summed; a Hessian gives `channel_sq`. A stated mean goes through the basis
  /// itself; stated `channel_sq` and `channel_max` do where they can, and are left out else; a stated `input_scale` is of no use
  /// in another basis. The mean of few rows is drawn to zero. The same bits on every executor. Throws value_error and io_error.
  ///
  /// Without the rows that are held out, sums come from those of `all` rows in the same basis where it has some, less what is
  /// held out: a tenth of the work, and maxima that may be those of rows held out.
  template <host_executor Executor>
  input_statistics statistics(Executor const& ex, basis const& in, input_statistics const* all = nullptr) const {
    input_statistics s;
    basis const rows_in = in.rows_alone();
    if (auto const* mean = measured(statistic::channel_mean)) {
      s.channel_mean = detail::values_of(*mean);
      rows_in.apply_to_input(serial{}, host_view<float>(s.channel_mean.data(), {1, length_of(s.channel_mean)}));
    }
    take_stated(s, rows_in);
    if (rows_) {
      s.rows.emplace(rows_->in(rows_in));
      s.samples = s.rows->extents().rows;
      derive(ex, s, all);
    }
    if (auto const* hessian = measured(statistic::hessian); hessian != nullptr && s.channel_sq.empty()) {
      auto const count = count_of(*hessian);
      s.channel_sq = hessian_diagonal(*hessian, rows_in);
      for (float& x : s.channel_sq) x /= static_cast<float>(count);
      s.samples = std::max(s.samples, count);
    }
    if (auto const* squares = measured(statistic::channel_sq)) s.samples = std::max(s.samples, stated_count(*squares));
    shorten_mean(s);
    return s;
  }

  /// Returns how many rows second moments are of; 0 where there are none, or nothing says how many.
  index_t measured_rows() const {
    auto const* const item = second_moments();
    if (item == nullptr) return 0;
    return item == measured(statistic::input) ? rows_->extents().rows : count_of(*item);
  }

  /// Returns how many columns of the inputs, in the basis that they come in, are zero in all that is measured; 0 where columns
  /// are not told apart. Reads rows up to the first by which every column was seen. Throws io_error.
  template <host_executor Executor>
  index_t unseen_columns(Executor const& ex) const {
    for (auto const what : {statistic::channel_max, statistic::channel_sq})
      if (auto const* item = measured(what)) {
        auto const values = detail::values_of(*item);
        return std::count_if(values.begin(), values.end(), [](float x) { return x == 0.0f; });
      }
    if (measured(statistic::input) == nullptr) return 0;
    auto const e = rows_->extents();
    constexpr index_t piece_rows = 64;
    host_buffer<float> memory(std::min(piece_rows, e.rows) * e.columns);
    std::vector<char> seen(static_cast<std::size_t>(e.columns));
    index_t left = e.columns;
    for (index_t first = 0; first < e.rows && left > 0; first += piece_rows) {
      host_view<float> const piece(memory.data(), {std::min(piece_rows, e.rows - first), e.columns});
      rows_->read(ex, first, piece);
      for (index_t i = 0; i < piece.rows(); ++i)
        for (index_t j = 0; j < e.columns; ++j) {
          auto& here = seen[static_cast<std::size_t>(j)];
          if (here != 0 || piece(i, j) == 0.0f) continue;
          here = 1;
          --left;
        }
    }
    return left;
  }

  /// Returns the name of the tensor that the Hessian comes from, the same for layers that share it; nothing where no file has
  /// any. Synthetic inputs give none.
  std::optional<std::string> hessian_owner() const {
    auto const* const item = second_moments();
    return item == nullptr ? std::nullopt : std::optional(item->path + ":" + item->name);
  }

  /// Returns H = E[(x - c)(x - c)^T] of the inputs in the basis `in`, about `center`, or about zero where that is empty; nothing
  /// where no file has any. The centre is one in the part of the basis that keeps rows apart.
  ///
  /// From rows, or from a stored Hessian where there are no rows or it sums more of them; of few rows it is drawn to its
  /// diagonal. A stored Hessian takes its size twice in another basis. On one machine the same bits for every number of threads.
  /// Throws value_error and io_error.
  template <host_executor Executor>
  std::optional<hessian> moments(Executor const& ex, basis const& in, std::span<float const> center = {}) const {
    auto const* const item = second_moments();
    if (item == nullptr) return std::nullopt;
    basis const rows_in = in.rows_alone();
    auto columns = static_cast<index_t>(item->shape().back());
    bool const from_rows = item == measured(statistic::input);
    auto lower = from_rows ? detail::moments_of(ex, rows_->in(rows_in), center)
                           : detail::moments_of(ex, *item, count_of(*item), rows_in, center);
    double const shrinkage = from_rows ? draw_few_rows(ex, rows_->in(rows_in), center, lower.view({columns, columns}))
                                       : draw_few_rows(ex, count_of(*item), center, lower.view({columns, columns}));
    if (basis const beyond = in.beyond_rows(); !beyond.is_plain()) {
      mirror_lower(ex, lower.view({columns, columns}));
      lower = beyond.moments(ex, std::move(lower), columns);
      columns = in.stored({1, columns}).columns;
    }
    return hessian(ex, std::move(lower), columns, shrinkage);
  }

  /// Returns the moments of `without_held_out()` about `center` from `all`, the moments of this about `all_center`, in the same
  /// basis: less work by the share of rows that are not held out, where all rows are what `all` follows from, they are not few,
  /// and the basis keeps them apart. Precondition: rows are held out, and measured; about both means, or both about zero. Throws
  /// value_error and io_error.
  template <host_executor Executor>
  std::optional<hessian> moments_without_held_out(Executor const& ex, basis const& in, std::span<float const> center,
                                                  hessian const& all, std::span<float const> all_center) const {
    auto const fitted = rows_->only(row_part::fitted).extents();
    bool const from_rows = second_moments() == measured(statistic::input);
    if (from_rows && !in.mixes_rows() && !are_few(fitted.rows, fitted.columns) && center.size() == all_center.size()) {
      auto const held_out = rows_->only(row_part::held_out).in(in.rows_alone());
      auto lower = detail::moments_without(ex, all.view(), rows_->extents().rows, held_out, all_center, center);
      if (lower) return hessian(ex, std::move(*lower), fitted.columns);
    }
    return without_held_out().moments(ex, in, center);
  }

 private:
  /// Returns the first statistic of a kind along the chain of aliases that says something; with `least` captured a measured one.
  calibration_item const* pick(statistic what, statistics_source least) const {
    for (auto const* e : entries_) {
      auto const& item = e->items[static_cast<std::size_t>(what)];
      if (rows_ && rows_->part() != row_part::all && what != statistic::input) continue;
      if (!item || std::find(silent_.begin(), silent_.end(), &*item) != silent_.end()) continue;
      if (least == statistics_source::synthetic || item->from == statistics_source::captured) return &*item;
    }
    return nullptr;
  }

  calibration_item const* measured(statistic what) const { return pick(what, statistics_source::captured); }

  /// Returns how many samples a Hessian sums: the count in the same entry.
  index_t count_of(calibration_item const& hessian) const {
    calibration_item const* item = nullptr;
    for (auto const* e : entries_) {
      auto const& mine = e->items[static_cast<std::size_t>(statistic::hessian)];
      auto const& count = e->items[static_cast<std::size_t>(statistic::count)];
      if (mine && &*mine == &hessian && count) item = &*count;
    }
    if (item == nullptr)
      throw format_error(stated("calibration.no_count",
                                "{item} needs the number of its samples beside it, an I64 scalar `.count`",
                                {{"item", hessian.described()}}));
    return detail::stored_count(*item);
  }

  /// Returns the count beside a statistic; 0 where there is none.
  index_t stated_count(calibration_item const& item) const {
    for (auto const* e : entries_)
      for (auto const& mine : e->items)
        if (auto const& count = e->items[static_cast<std::size_t>(statistic::count)]; mine && &*mine == &item && count)
          return detail::stored_count(*count);
    return 0;
  }

  /// Takes from a mean of few rows what is probably chance.
  void shorten_mean(input_statistics& s) const {
    auto const* const stated = measured(statistic::channel_mean);
    auto const* const rows = measured(statistic::input);
    index_t const count = stated != nullptr ? stated_count(*stated) : rows != nullptr ? rows_->extents().rows : 0;
    if (count == 0 || s.channel_sq.size() != s.channel_mean.size() || !are_few(count, length_of(s.channel_mean))) return;
    auto const factor = say_nothing(count, length_of(s.channel_mean))
                            ? 0.0f
                            : static_cast<float>(detail::mean_factor(s.channel_mean, s.channel_sq, count));
    for (float& x : s.channel_mean) x *= factor;
  }

  /// Returns what the second moments come from: rows, or a stored Hessian where that sums more of them.
  calibration_item const* second_moments() const {
    auto const* const rows = measured(statistic::input);
    auto const* const stored = measured(statistic::hessian);
    if (rows == nullptr || stored == nullptr) return rows != nullptr ? rows : stored;
    return static_cast<std::uint64_t>(count_of(*stored)) > rows->shape()[0] ? stored : rows;
  }

  /// Draws second moments of few rows to their diagonal; returns how far.
  template <class Executor>
  static double draw_few_rows(Executor const& ex, input_rows const& rows, std::span<float const> center, host_view<float> lower) {
    if (!are_few(rows.extents().rows, lower.columns())) return 0.0;
    bool const is_known = !say_nothing(rows.extents().rows, lower.columns());
    double const share = is_known ? detail::shrinkage_of(ex, rows, center, lower) : 1.0;
    detail::draw_to_diagonal(ex, share, lower);
    return share;
  }

  template <class Executor>
  static double draw_few_rows(Executor const& ex, index_t rows, std::span<float const> center, host_view<float> lower) {
    if (!are_few(rows, lower.columns())) return 0.0;
    double const free_rows = static_cast<double>(center.empty() ? rows : rows - 1);
    double const energy = detail::correlation_energy(ex, lower);
    bool const is_known = !say_nothing(rows, lower.columns());
    double const share = is_known ? std::min(detail::gaussian_shrinkage(energy, free_rows, lower.columns()), 1.0) : 1.0;
    detail::draw_to_diagonal(ex, share, lower);
    return share;
  }

  void take_stated(input_statistics& s, basis const& in) const {
    auto const in_basis = [&](calibration_item const* item, auto change) {
      auto values = item == nullptr ? std::vector<float>() : detail::values_of(*item);
      if (!values.empty() && !(in.*change)(values)) values.clear();
      return values;
    };
    s.channel_sq = in_basis(measured(statistic::channel_sq), &basis::apply_to_squares);
    s.channel_max = in_basis(pick(statistic::channel_max, statistics_source::synthetic), &basis::apply_to_maxima);
    auto const* scale = measured(statistic::input_scale);
    if (scale != nullptr && in.is_plain()) {
      s.input_scale = detail::values_of(*scale)[0];
    } else if (measured(statistic::input) == nullptr) {
      if (auto const max = in_basis(measured(statistic::channel_max), &basis::apply_to_maxima); !max.empty())
        s.input_scale = scale_of(max);
    }
  }

  static index_t length_of(std::vector<float> const& values) { return static_cast<index_t>(values.size()); }

  static float scale_of(std::vector<float> const& channel_max) {
    return std::max(*std::max_element(channel_max.begin(), channel_max.end()) / 127.0f, 1e-30f);
  }

  /// Fills what the files do not state from the rows.
  template <host_executor Executor>
  static void derive(Executor const& ex, input_statistics& s, input_statistics const* all) {
    bool const captured = s.rows->source() == statistics_source::captured;
    bool const measured = !s.channel_mean.empty() && !s.channel_sq.empty() && s.input_scale;
    if (!s.channel_max.empty() && (measured || !captured)) return;
    std::optional<channel_figures> fitted;
    if (all != nullptr && !all->sums.sum.empty() && s.rows->part() == row_part::fitted)
      fitted = without(all->sums, measure_channels(ex, s.rows->only(row_part::held_out)));
    s.sums = fitted ? std::move(*fitted) : measure_channels(ex, *s.rows);
    auto const& figures = s.sums;
    if (captured && !s.input_scale) s.input_scale = scale_of(figures.max);
    if (captured && s.channel_mean.empty()) s.channel_mean = means(figures.sum, *s.rows);
    if (captured && s.channel_sq.empty()) s.channel_sq = means(figures.square_sum, *s.rows);
    if (s.channel_max.empty()) s.channel_max = figures.max;
  }

  static std::vector<float> means(std::vector<double> const& sums, input_rows const& rows) {
    std::vector<float> result;
    for (double const sum : sums) {
      result.push_back(static_cast<float>(sum / static_cast<double>(rows.extents().rows)));
      if (!std::isfinite(result.back()))
        throw value_error(
            stated("calibration.too_large", "calibration data: `{tensor}` holds values beyond 1e19", {{"tensor", rows.name()}}));
    }
    return result;
  }

  std::vector<calibration_entry const*> entries_;
  std::vector<calibration_item const*> silent_;  ///< that say nothing
  std::vector<std::string> unseen_;              ///< which and why
  std::optional<input_rows> rows_;
};

}  // namespace halfstep
