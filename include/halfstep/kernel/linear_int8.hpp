// A layer's product of INT8 inputs and INT8 weights on the host. The device overload is in linear_int8.cuh.
#pragma once

#include <algorithm>
#include <cmath>
#include <concepts>
#include <cstdint>

#include <halfstep/core/compiler.hpp>
#include <halfstep/core/error.hpp>
#include <halfstep/core/ieee_float.hpp>
#include <halfstep/core/matrix_view.hpp>
#include <halfstep/exec/concept.hpp>
#include <halfstep/kernel/row_tiles.hpp>
#include <halfstep/layout/concept.hpp>

namespace halfstep {

/// A layout whose codes are INT8 and stand for code * scale.
template <class Layout>
concept int8_layout = std::same_as<typename Layout::code_type, std::int8_t> && std::same_as<typename Layout::group_type, float> &&
    std::same_as<decltype(Layout::decode(std::int8_t{}, Layout::unpack(1.0f))), float>;

namespace detail {

/// So many products of two codes are summed as integers at most: 2^16 * 127^2 is below 2^31.
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

/// Throws shape_error where the matrices of an INT8 product do not fit together.
template <class Layout, class Codes, class Numbers, class Output>
void require_int8_product(Codes x, Numbers x_scales, Codes weight, Numbers groups, Numbers bias, Output y) {
  require_extents({1, weight.columns()}, {1, x.columns()}, "halfstep: the columns of weight and input in linear_int8");
  require_extents(x_scales.extents(), {x.rows(), 1}, "halfstep: the scales of the input in linear_int8");
  require_extents(groups.extents(), Layout::groups(weight.extents()), "halfstep: the scales of the weight in linear_int8");
  require_extents(y.extents(), {x.rows(), weight.rows()}, "halfstep: the output of linear_int8");
  if (bias.extents().count() != 0) require_extents(bias.extents(), {1, weight.rows()}, "halfstep: the bias of linear_int8");
}

}  // namespace detail

/// Stores y = x W^T + b, where x and W are codes times their scales.
///
/// x [B, N] with a scale a row, x_scales [B, 1]; weight [M, N] with groups as `Layout` says; bias [1, M], or empty for none;
/// y [B, M]. Sums inside a group are exact in INT32, 65536 columns at a time; their products with the group's scale are added
/// with fused multiplications in ascending order: the same bits on every executor. Throws shape_error.
template <class Layout, host_executor Executor>
void linear_int8(Executor const& ex, host_view<std::int8_t const> x, host_view<float const> x_scales,
                 host_view<std::int8_t const> weight, host_view<float const> groups, host_view<float const> bias,
                 host_view<float> y) {
  static_assert(int8_layout<Layout>, "halfstep: linear_int8 takes layouts of INT8 codes with FP32 scales");
  detail::require_int8_product<Layout>(x, x_scales, weight, groups, bias, y);
  extents2 const e = weight.extents();
  index_t const run = std::max<index_t>(Layout::run(e), 1);
  float const* const addend = bias.extents().count() != 0 ? bias.data() : nullptr;
  row_tiles const tiles(e);
  ex.for_each(tiles.count(), [&](index_t tile) {
    for (index_t b = 0; b < x.rows(); ++b) {
      std::int8_t const* const input = x.row(b);
      for (index_t row = tiles.first(tile); row < tiles.first(tile) + tiles.rows(tile); ++row) {
        std::int8_t const* const codes = weight.row(row);
        float sum = 0.0f;
        for (index_t column = 0; column < e.columns;) {
          index_t const end = detail::end_of_products(column, run, e.columns);
          std::int32_t products = 0;
          for (index_t k = column; k < end; ++k) products += std::int32_t{input[k]} * std::int32_t{codes[k]};
          sum = std::fma(static_cast<float>(products), groups.data()[Layout::group_of(e, row, column)], sum);
          column = end;
        }
        y(b, row) = detail::finished(sum, x_scales.data()[b], addend, row);
      }
    }
  });
}

}  // namespace halfstep
