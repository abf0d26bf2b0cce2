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

namespace detail {

/// A layout whose `locate` takes any finite number and any positive finite scale.
template <class Layout>
struct far : Layout {
  HALFSTEP_HD static auto locate(float x, typename Layout::step_type s) { return Layout::locate_far(x, s); }
};

/// Throws value_error for the first element of `weight` that is infinite or NaN; without one, for its transform.
template <class Source>
[[noreturn]] void refuse_not_finite(host_view<Source const> weight) {
  for (index_t row = 0; row < weight.rows(); ++row)
    for (index_t column = 0; column < weight.columns(); ++column) {
      float const x = widen(weight(row, column));
      if (is_finite(x)) continue;
      throw value_error("halfstep: the weight at row " + std::to_string(weight.first_row() + row) + ", column " +
                        std::to_string(column) + " (element " + std::to_string(weight.index_in_tensor(row, column)) +
                        " of its tensor) is " + (x != x ? "NaN" : "infinite") + "; only finite weights can be quantized");
    }
  throw value_error("halfstep: weights in the rows from " + std::to_string(weight.first_row()) +
                    " on are so large that their transform overflows FP32");
}

}  // namespace detail

/// Quantizes weights: changes their basis, fits every group to its largest magnitude, and lets `Rounding` choose the codes.
///
/// Works in tiles of a constant size that stay in cache between the passes, through the public kernels. The element numbers that
/// `Rounding` sees are places in the tensor, so a tensor can be quantized in pieces of whole rows of groups. The same codes
/// and groups on every executor.
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
  /// FP64 weights are rounded to FP32 first. Throws shape_error where layout or transform cannot take the shape, and value_error
  /// naming the first element that is not finite.
  template <host_executor Executor, class Weight>
  void operator()(Executor const& ex, host_view<Weight> weight, host_view<group_type> groups, host_view<code_type> codes) const {
    host_view<std::remove_const_t<Weight> const> const w = weight;
    require_shapes(w.extents(), groups.extents(), codes.extents());
    if (w.extents().count() == 0) return fit_nothing(groups);
    if (spans_all_rows<Layout>(w.extents()) && row_tiles(w.extents()).count() > 1) {
      fit_spanning(ex, w, groups);
      return store_codes(ex, w, groups, codes);
    }
    for_each_tile(ex, w, rows_per_group<Layout>(w.extents()), [&](auto tile, index_t first) {
      auto const mine = piece_of(groups, w.extents(), first, tile.rows());
      std::vector<value_range> const ranges = finite_ranges(tile, w.rows(first, tile.rows()));
      if constexpr (has_groups<Layout>) fit_groups<Layout>(host_view<value_range const>(ranges.data(), mine.extents()), mine);
      quantize<Layout>(serial{}, tile, host_view<group_type const>(mine), codes.rows(first, tile.rows()), rounding_);
    });
  }

  /// Stores `codes` on the grid of given `groups`, such as the scales of another file; weights beyond a group's last code get
  /// that code.
  ///
  /// Throws what the fitting overload throws, and value_error for a scale that is not positive and finite.
  template <host_executor Executor, class Weight>
  void with_groups(Executor const& ex, host_view<Weight> weight, host_view<group_type const> groups,
                   host_view<code_type> codes) const {
    host_view<std::remove_const_t<Weight> const> const w = weight;
    require_shapes(w.extents(), groups.extents(), codes.extents());
    if constexpr (std::floating_point<group_type>)
      for (index_t i = 0; i < groups.extents().count(); ++i)
        if (!(groups.data()[i] > 0) || !is_finite(groups.data()[i]))
          throw value_error("halfstep: scale " + std::to_string(i) + " is " + std::to_string(groups.data()[i]) +
                            "; a scale is positive and finite");
    store_codes(ex, w, groups, codes);
  }

  /// Returns `weight` quantized, its type remembered. Allocates the result.
  template <host_executor Executor, class Weight>
  quantized_tensor<Layout, host_space, Transform> operator()(Executor const& ex, host_view<Weight> weight) const {
    quantized_tensor<Layout, host_space, Transform> result(weight.extents(), transform_,
                                                           source_traits<std::remove_const_t<Weight>>::type);
    (*this)(ex, weight, result.groups(), result.codes());
    return result;
  }

  /// Returns `weight` quantized on the grid of given `groups`. Allocates the result and copies the groups.
  template <host_executor Executor, class Weight>
  quantized_tensor<Layout, host_space, Transform> with_groups(Executor const& ex, host_view<Weight> weight,
                                                              host_view<group_type const> groups) const {
    quantized_tensor<Layout, host_space, Transform> result(weight.extents(), transform_,
                                                           source_traits<std::remove_const_t<Weight>>::type);
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
    throw shape_error("halfstep: a matrix of " + std::to_string(e.rows) + " x " + std::to_string(e.columns) + " does not fit " +
                      std::string(by));
  }

  /// A matrix without elements may still have groups, such as its one scale.
  static void fit_nothing(host_view<group_type> groups) {
    for (index_t group = 0; group < groups.extents().count(); ++group) groups.data()[group] = Layout::fit(value_range{0.0f});
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
        typename scratch_pool<float>::lease const scratch(pool);
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

  /// Fits groups that reach over many tiles.
  template <class Executor, class Source>
  void fit_spanning(Executor const& ex, host_view<Source const> weight, host_view<group_type> groups) const {
    index_t const count = groups.extents().count();
    index_t const tile_rows = row_tiles(weight.extents()).rows(0);
    std::vector<value_range> partial(static_cast<std::size_t>(row_tiles(weight.extents()).count() * count));
    for_each_tile(ex, weight, 1, [&](auto tile, index_t first) {
      std::vector<value_range> const ranges = finite_ranges(tile, weight.rows(first, tile.rows()));
      std::copy(ranges.begin(), ranges.end(), partial.begin() + first / tile_rows * count);
    });
    for (index_t group = 0; group < count; ++group) {
      value_range all{0.0f};
      for (std::size_t i = static_cast<std::size_t>(group); i < partial.size(); i += static_cast<std::size_t>(count))
        all.amax = std::max(all.amax, partial[i].amax);
      groups.data()[group] = Layout::fit(all);
    }
  }

  template <class Executor, class Source>
  void store_codes(Executor const& ex, host_view<Source const> weight, host_view<group_type const> groups,
                   host_view<code_type> codes) const {
    index_t const granule = spans_all_rows<Layout>(weight.extents()) ? 1 : rows_per_group<Layout>(weight.extents());
    for_each_tile(ex, weight, granule, [&](auto tile, index_t first) {
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
