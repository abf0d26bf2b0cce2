// The operands of an INT8 product, and where its integer sums end.
#pragma once

#include <algorithm>
#include <concepts>
#include <cstdint>

#include <halfstep/core/compiler.hpp>
#include <halfstep/core/error.hpp>
#include <halfstep/core/ieee_float.hpp>
#include <halfstep/core/matrix_view.hpp>
#include <halfstep/layout/concept.hpp>

namespace halfstep {

/// A layout whose codes are INT8 and stand for code * scale.
template <class Layout>
concept int8_layout = std::same_as<typename Layout::code_type, std::int8_t> && std::same_as<typename Layout::group_type, float> &&
    std::same_as<decltype(Layout::decode(std::int8_t{}, Layout::unpack(1.0f))), float>;

namespace detail {

/// So many products of two codes are summed as integers at most: 2^16 * 127^2 is below 2^31, and so is 2^16 * 255 * 128.
inline constexpr index_t int8_products = index_t{1} << 16;

/// Returns the column at which the integer sum that begins at `column` ends: the end of its group, or of what INT32 can hold.
HALFSTEP_HD constexpr index_t end_of_products(index_t column, index_t run, index_t columns) {
  index_t const in_run = column % run;
  index_t const in_group = run - in_run;
  index_t const in_sum = int8_products - in_run % int8_products;
  index_t const end = column + (in_group < in_sum ? in_group : in_sum);
  return end < columns ? end : columns;
}

/// Returns the result that a sum over all groups becomes.
HALFSTEP_HD inline float finished(float sum, float scale, float const* bias, index_t column) {
  return bias != nullptr ? fused(sum, scale, bias[column]) : static_cast<float>(ieee_float{sum} * scale);
}

/// Inputs x [B, N] and a weight W [M, N] in codes, with the scales of both; `Layout` says how those of the weight lie.
///
/// Inputs have a scale a row, x_scales [B, 1], or one for every N / G neighbouring columns of a row, x_scales [B, G].
template <class Layout, class Space>
struct int8_operands {
  matrix_view<std::int8_t const, Space> x;
  matrix_view<float const, Space> x_scales;
  matrix_view<std::int8_t const, Space> weight;
  matrix_view<float const, Space> groups;

  /// Returns how many neighbouring columns share a scale of the weight, and of the inputs.
  index_t run() const { return std::max<index_t>(Layout::run(weight.extents()), 1); }
  index_t x_run() const { return std::max<index_t>(x.columns() / std::max<index_t>(x_scales.columns(), 1), 1); }

  /// Whether inputs have more than one scale a row: then sums are worth the product of two scales.
  HALFSTEP_HD bool has_input_groups() const { return x_scales.columns() > 1; }

  /// Returns the column at which the integer sum that begins at `column` ends.
  index_t end_of_sum(index_t column) const {
    index_t const end = end_of_products(column, run(), x.columns());
    return has_input_groups() ? std::min(end, (column / x_run() + 1) * x_run()) : end;
  }

  /// Returns what a unit of the integer sum of an input and a row of the weight, from `column` on, is worth.
  float worth(index_t input, index_t row, index_t column) const {
    float const scale = groups.data()[Layout::group_of(weight.extents(), row, column)];
    return has_input_groups() ? x_scales(input, column / x_run()) * scale : scale;
  }

  /// Returns by what the sum of an input over all groups is scaled.
  HALFSTEP_HD float scale_of_input(index_t input) const { return has_input_groups() ? 1.0f : x_scales.data()[input]; }

  /// Whether every sum begins at a multiple of `columns`.
  bool is_cut_at(index_t columns) const {
    return (run() >= x.columns() || run() % columns == 0) && (!has_input_groups() || x_run() % columns == 0);
  }

  /// Throws shape_error where the matrices do not fit together.
  void require() const {
    require_extents({1, weight.columns()}, {1, x.columns()}, "halfstep: the columns of weight and input in linear_int8");
    require_extents(groups.extents(), Layout::groups(weight.extents()), "halfstep: the scales of the weight in linear_int8");
    index_t const count = x_scales.columns();
    if (x_scales.rows() != x.rows() || count < 1 || (count > 1 && x.columns() % count != 0))
      throw shape_error(stated("shape.scales_of_inputs",
                               "halfstep: the scales of the input in linear_int8: expected {rows} x 1, or as many columns as "
                               "divide {columns}, got {found_rows} x {found_columns}",
                               {{"rows", x.rows()},
                                {"columns", x.columns()},
                                {"found_rows", x_scales.rows()},
                                {"found_columns", count}}));
  }
};

}  // namespace detail

}  // namespace halfstep
