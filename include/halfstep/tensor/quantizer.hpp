// From weights to codes and groups in one pass over memory.
#pragma once

#include <algorithm>
#include <concepts>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include <halfstep/core/error.hpp>
#include <halfstep/core/magnitude.hpp>
#include <halfstep/core/matrix_view.hpp>
#include <halfstep/core/scratch_pool.hpp>
#include <halfstep/core/source.hpp>
#include <halfstep/exec/concept.hpp>
#include <halfstep/exec/serial.hpp>
#include <halfstep/kernel/group_range.hpp>
#include <halfstep/kernel/quantize.hpp>
#include <halfstep/kernel/row_tiles.hpp>
#include <halfstep/kernel/widen.hpp>
#include <halfstep/layout/concept.hpp>
#include <halfstep/layout/grid.hpp>
#include <halfstep/layout/group_rows.hpp>
#include <halfstep/rounding/nearest.hpp>
#include <halfstep/tensor/quantized_tensor.hpp>
#include <halfstep/transform/identity.hpp>

namespace halfstep {

/// Weights that are not finite, or not in the basis of a transform.
class not_finite : public value_error {
 public:
  using value_error::value_error;
};

namespace detail {

/// A layout whose `locate` takes any finite number and any positive finite scale.
template <class Layout>
struct far : Layout {
  HALFSTEP_HD static auto locate(float x, typename Layout::step_type s) { return Layout::locate_far(x, s); }
};

/// Throws not_finite for the first element of `weight` that is infinite or NaN; without one, for its transform.
template <class Source>
[[noreturn]] void refuse_not_finite(host_view<Source const> weight) {
  for (index_t row = 0; row < weight.rows(); ++row)
    for (index_t column = 0; column < weight.columns(); ++column) {
      float const x = widen(weight(row, column));
      if (is_finite(x)) continue;
      throw not_finite(stated("weights.not_finite",
                              "halfstep: the weight at row {row}, column {column} (element {element} of its tensor) is {value}; "
                              "only finite weights can be quantized",
                              {{"row", weight.first_row() + row},
                               {"column", column},
                               {"element", weight.index_in_tensor(row, column)},
                               {"value", x != x ? "NaN" : "infinite"}}));
    }
  throw not_finite(stated("weights.transform_overflow",
                          "halfstep: weights in the rows from {row} on are so large that their transform overflows FP32",
                          {{"row", weight.first_row()}}));
}

}  // namespace detail

/// Quantizes weights: changes their basis, fits every group to its largest magnitude, and lets `Rounding` choose the codes.
///
/// Works in tiles of a constant size that stay in cache between the passes, through the public kernels. The element numbers that
/// `Rounding` sees are places in the tensor, so a tensor can be quantized in pieces of whole rows of groups. The same codes
/// and groups on every executor. `range`, `fit` and `encode` are its steps, for who does something between them.
template <class Layout, class Rounding = nearest, class Transform = identity>
class quantizer {
  static_assert(check_layout<Layout>());
  static_assert(check_rounding<Rounding, typename Layout::code_type>());
  static_assert(check_transform<Transform>());

 public:
  using code_type = typename Layout::code_type;
  using group_type = typename Layout::group_type;

  explicit quantizer(Rounding rounding = {}, Transform transform = {})
      : rounding_(std::move(rounding)), transform_(std::move(transform)) {}

  /// Fits `groups` and stores `codes`, both shaped as the layout says for `weight` [M, N], a piece of whole rows of groups.
  ///
  /// FP64 weights are rounded to FP32 first. Throws shape_error where layout or transform cannot take the shape, and not_finite
  /// naming the first element that is none.
  template <host_executor Executor, class Source>
  void operator()(Executor const& ex, host_view<Source const> weight, host_view<group_type> groups,
                  host_view<code_type> codes) const {
    require_shapes(weight.extents(), groups.extents(), codes.extents());
    if (weight.extents().count() == 0) return fit_nothing(groups);
    if (is_cut_across_groups(weight.extents())) {
      fit_spanning(ex, weight, groups);
      return store_codes(ex, weight, groups, codes);
    }
    fit_tiles(ex, weight, groups, [&](auto tile, index_t first, host_view<group_type> mine) {
      quantize<Layout>(serial{}, tile, mine, codes.rows(first, tile.rows()), rounding_);
    });
  }

  /// Fits `groups` to `weight`, a piece of whole rows of groups, and stores no codes. Where the layout has no groups, it sees to
  /// it that the weights are finite. Throws what the call that stores codes throws.
  template <host_executor Executor, class Source>
  void fit(Executor const& ex, host_view<Source const> weight, host_view<group_type> groups) const {
    require_shapes(weight.extents(), groups.extents(), weight.extents());
    if (weight.extents().count() == 0) return fit_nothing(groups);
    if (is_cut_across_groups(weight.extents())) return fit_spanning(ex, weight, groups);
    fit_tiles(ex, weight, groups, [](auto, index_t, host_view<group_type>) {});
  }

  /// Stores the range of each group of `weight` as far as the piece shows it: of groups that span all rows, the largest range of
  /// all pieces is that of the tensor. Throws what the call that stores codes throws.
  template <host_executor Executor, class Source>
  void range(Executor const& ex, host_view<Source const> weight, host_view<value_range> ranges) const {
    require_shapes(weight.extents(), ranges.extents(), weight.extents());
    if (weight.extents().count() == 0) return std::fill_n(ranges.data(), ranges.extents().count(), value_range{0.0f}), void();
    if (is_cut_across_groups(weight.extents())) return range_spanning(ex, weight, ranges);
    for_each_tile(ex, weight, rows_per_group<Layout>(weight.extents()), [&](auto tile, index_t first) {
      auto const found = finite_ranges(tile, weight.rows(first, tile.rows()));
      if constexpr (has_groups<Layout>)
        std::copy(found.begin(), found.end(), piece_of(ranges, weight.extents(), first, tile.rows()).data());
    });
  }

  /// Stores `codes` on the grid of groups that were fitted to `weight`, or searched for it. Precondition: that of
  /// `Layout::locate`; groups of another origin go to `with_groups`. Throws shape_error.
  template <host_executor Executor, class Source>
  void encode(Executor const& ex, host_view<Source const> weight, host_view<group_type const> groups,
              host_view<code_type> codes) const {
    require_shapes(weight.extents(), groups.extents(), codes.extents());
    for_each_tile(ex, weight, codes_granule(weight.extents()), [&](auto tile, index_t first) {
      quantize<Layout>(serial{}, tile, piece_of(groups, weight.extents(), first, tile.rows()), codes.rows(first, tile.rows()),
                       rounding_);
    });
  }

  /// Stores `codes` on the grid of given `groups`, such as the scales of another file; weights beyond a group's last code get
  /// that code.
  ///
  /// Throws what the fitting overload throws, and value_error for a scale that is not positive and finite.
  template <host_executor Executor, class Source>
  void with_groups(Executor const& ex, host_view<Source const> weight, host_view<group_type const> groups,
                   host_view<code_type> codes) const {
    require_shapes(weight.extents(), groups.extents(), codes.extents());
    if constexpr (std::floating_point<group_type>)
      for (index_t i = 0; i < groups.extents().count(); ++i)
        if (!(groups.data()[i] > 0) || !is_finite(groups.data()[i]))
          throw value_error(stated("weights.bad_scale", "halfstep: scale {group} is {value}; a scale is positive and finite",
                                   {{"group", i}, {"value", groups.data()[i]}}));
    store_codes(ex, weight, groups, codes);
  }

  /// Returns `weight` quantized, its type remembered. Allocates the result.
  template <host_executor Executor, class Source>
  quantized_tensor<Layout, host_space, Transform> operator()(Executor const& ex, host_view<Source const> weight) const {
    quantized_tensor<Layout, host_space, Transform> result(weight.extents(), transform_, source_traits<Source>::type);
    (*this)(ex, weight, result.groups(), result.codes());
    return result;
  }

  /// Returns `weight` quantized on the grid of given `groups`. Allocates the result and copies the groups.
  template <host_executor Executor, class Source>
  quantized_tensor<Layout, host_space, Transform> with_groups(Executor const& ex, host_view<Source const> weight,
                                                              host_view<group_type const> groups) const {
    quantized_tensor<Layout, host_space, Transform> result(weight.extents(), transform_, source_traits<Source>::type);
    with_groups(ex, weight, groups, result.codes());
    std::copy_n(groups.data(), groups.extents().count(), result.groups().data());
    return result;
  }

 private:
  void require_shapes(extents2 e, extents2 groups, extents2 codes) const {
    if (!Layout::fits(e)) refuse(e, Layout::name);
    if (!transform_.fits(e)) refuse(e, Transform::name);
    require_even_groups<Layout>(e);
    require_extents(groups, Layout::groups(e), "halfstep: the groups given to the quantizer");
    require_extents(codes, e, "halfstep: the codes given to the quantizer");
  }

  [[noreturn]] static void refuse(extents2 e, std::string_view by) {
    throw shape_error(stated("shape.misfit", "halfstep: a matrix of {rows} x {columns} does not fit {layout}",
                             {{"rows", e.rows}, {"columns", e.columns}, {"layout", by}}));
  }

  /// A matrix without elements may still have groups, such as its one scale.
  static void fit_nothing(host_view<group_type> groups) {
    for (index_t group = 0; group < groups.extents().count(); ++group) groups.data()[group] = Layout::fit(value_range{0.0f});
  }

  /// Whether the weight is worked on in tiles that share their groups.
  static bool is_cut_across_groups(extents2 e) { return spans_all_rows<Layout>(e) && row_tiles(e).count() > 1; }

  static index_t codes_granule(extents2 e) { return spans_all_rows<Layout>(e) ? 1 : rows_per_group<Layout>(e); }

  /// Fits the groups of each tile and calls `f(tile, first row, groups)`.
  template <class Executor, class Source, class F>
  void fit_tiles(Executor const& ex, host_view<Source const> weight, host_view<group_type> groups, F const& f) const {
    for_each_tile(ex, weight, rows_per_group<Layout>(weight.extents()), [&](auto tile, index_t first) {
      auto const mine = piece_of(groups, weight.extents(), first, tile.rows());
      std::vector<value_range> const ranges = finite_ranges(tile, weight.rows(first, tile.rows()));
      if constexpr (has_groups<Layout>) fit_groups<Layout>(host_view<value_range const>(ranges.data(), mine.extents()), mine);
      f(tile, first, mine);
    });
  }

  template <class Group>
  static host_view<Group> piece_of(host_view<Group> groups, extents2 e, index_t first, index_t rows) {
    if (!has_groups<Layout> || spans_all_rows<Layout>(e)) return groups;
    index_t const shared = rows_per_group<Layout>(e);
    return groups.rows(first / shared, rows / shared);
  }

  /// Calls `f(tile, first row)` for every tile, with its weights in the basis of the transform.
  template <class Executor, class Source, class F>
  void for_each_tile(Executor const& ex, host_view<Source const> weight, index_t granule, F const& f) const {
    row_tiles const tiles(weight.extents(), granule);
    if constexpr (std::same_as<Transform, identity>) {
      ex.for_each(tiles.count(), [&](index_t i) { f(weight.rows(tiles.first(i), tiles.rows(i)), tiles.first(i)); });
    } else {
      scratch_pool<float> pool(tiles.count() == 0 ? 0 : tiles.rows(0) * weight.columns());
      ex.for_each(tiles.count(), [&](index_t i) {
        auto const from = weight.rows(tiles.first(i), tiles.rows(i));
        typename scratch_pool<float>::lease scratch(pool);
        host_view<float> const to(scratch.data(), from.extents(), from.first_row());
        if constexpr (requires { transform_.apply(serial{}, from, to); }) {
          transform_.apply(serial{}, from, to);
        } else {
          widen(serial{}, from, to);
          transform_.apply(serial{}, to);
        }
        f(host_view<float const>(to), tiles.first(i));
      });
    }
  }

  /// Returns the range of every group of a tile, or of the whole tile where there are no groups; `origin` shows the same weights
  /// before the transform.
  template <class Tile, class Source>
  static std::vector<value_range> finite_ranges(Tile tile, host_view<Source const> origin) {
    extents2 const groups = Layout::groups(tile.extents());
    std::vector<value_range> ranges(static_cast<std::size_t>(has_groups<Layout> ? groups.count() : 1));
    if constexpr (has_groups<Layout>)
      group_range<Layout>(serial{}, tile, host_view<value_range>(ranges.data(), groups));
    else
      ranges[0] = matrix_range(serial{}, tile);
    for (value_range const range : ranges)
      if (!is_finite(range.amax)) detail::refuse_not_finite(origin);
    return ranges;
  }

  /// Stores the ranges of groups that reach over many tiles.
  template <class Executor, class Source>
  void range_spanning(Executor const& ex, host_view<Source const> weight, host_view<value_range> all) const {
    index_t const count = all.extents().count();
    index_t const tile_rows = row_tiles(weight.extents()).rows(0);
    std::vector<value_range> partial(static_cast<std::size_t>(row_tiles(weight.extents()).count() * count));
    for_each_tile(ex, weight, 1, [&](auto tile, index_t first) {
      std::vector<value_range> const ranges = finite_ranges(tile, weight.rows(first, tile.rows()));
      std::copy(ranges.begin(), ranges.end(), partial.begin() + first / tile_rows * count);
    });
    for (index_t group = 0; group < count; ++group) {
      value_range& range = all.data()[group] = {0.0f};
      for (std::size_t i = static_cast<std::size_t>(group); i < partial.size(); i += static_cast<std::size_t>(count))
        range.amax = std::max(range.amax, partial[i].amax);
    }
  }

  template <class Executor, class Source>
  void fit_spanning(Executor const& ex, host_view<Source const> weight, host_view<group_type> groups) const {
    if constexpr (has_groups<Layout>) {
      std::vector<value_range> ranges(static_cast<std::size_t>(groups.extents().count()));
      host_view<value_range> const all(ranges.data(), groups.extents());
      range_spanning(ex, weight, all);
      fit_groups<Layout>(all, groups);
    }
  }

  template <class Executor, class Source>
  void store_codes(Executor const& ex, host_view<Source const> weight, host_view<group_type const> groups,
                   host_view<code_type> codes) const {
    for_each_tile(ex, weight, codes_granule(weight.extents()), [&](auto tile, index_t first) {
      auto const mine = piece_of(groups, weight.extents(), first, tile.rows());
      auto const q = codes.rows(first, tile.rows());
      std::vector<value_range> const ranges = finite_ranges(tile, weight.rows(first, tile.rows()));
      if constexpr (has_far_path<Layout> && has_groups<Layout>) {
        bool near = true;
        for (std::size_t i = 0; i < ranges.size(); ++i) near = near && Layout::is_near(ranges[i], Layout::unpack(mine.data()[i]));
        if (!near) return quantize<detail::far<Layout>>(serial{}, tile, mine, q, rounding_);
      }
      quantize<Layout>(serial{}, tile, mine, q, rounding_);
    });
  }

  Rounding rounding_;
  Transform transform_;
};

}  // namespace halfstep
