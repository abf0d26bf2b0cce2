// A layer's product of INT8 inputs and INT8 weights on the host. The device overload is in linear_int8.cuh.
#pragma once

#include <concepts>
#include <cstdint>

#include <halfstep/core/matrix_view.hpp>
#include <halfstep/exec/concept.hpp>
#include <halfstep/file/matrix_registers.hpp>
#include <halfstep/kernel/int8_amx.hpp>
#include <halfstep/kernel/int8_operands.hpp>
#include <halfstep/kernel/int8_panels.hpp>
#include <halfstep/kernel/int8_rows.hpp>
#include <halfstep/kernel/int8_vnni.hpp>
#include <halfstep/kernel/product_ending.hpp>

namespace halfstep {

namespace detail {

#if defined(__AVX512VNNI__)
using widest_vnni = avx512_vnni;
#elif defined(__AVXVNNI__)
using widest_vnni = avx_vnni;
#endif

/// So many inputs are multiplied row by row, more in panels.
inline constexpr index_t few_inputs = 4;

/// Stores the product of `in` through `write` in the fastest way that the compiler targets and the process may use.
template <class Layout, class Executor, class Write>
void int8_product(Executor const& ex, int8_operands<Layout, host_space> const& in, Write const& write) {
#if defined(__AVX512VNNI__) || defined(__AVXVNNI__)
  if (in.x.rows() <= few_inputs && in.is_cut_at(64)) return row_product<widest_vnni>(ex, in, write);
#if defined(__AMX_INT8__) && defined(__AMX_TILE__)
  static bool const has_tiles = file::may_use_matrix_registers();
  if (has_tiles && in.is_cut_at(amx_panels::granule)) return panel_product<amx_panels>(ex, in, write);
#endif
  using panels = vnni_panels<widest_vnni>;
  if (in.is_cut_at(panels::granule)) return panel_product<panels>(ex, in, write);
#endif
  plain_product(ex, in, write);
}

}  // namespace detail

/// Stores y = form(x W^T + b) + r, where x and W are codes times their scales, and bias, form and residual are those of `ending`.
///
/// x [B, N] with a scale a row, x_scales [B, 1], or for each of G equal parts of a row, x_scales [B, G]; weight [M, N] with
/// groups as `Layout` says; y [B, M] of FP32, FP16, BF16, any other `source`, or of INT8 codes on the grid of the ending's
/// scales. Sums inside a group are exact in INT32, 65536 columns at a time; their products with the group's scale (where inputs
/// have more than one a row: the product of both, rounded) are added with fused multiplications in ascending order: the same bits
/// on every executor, and by every instruction set. Needs scratch for a copy of x and up to 128 KiB a thread. Throws shape_error.
template <class Layout, host_executor Executor, class Form, class Residual, product_output Output>
void linear_int8(Executor const& ex, host_view<std::int8_t const> x, host_view<float const> x_scales,
                 host_view<std::int8_t const> weight, host_view<float const> groups,
                 product_ending<host_space, Form, Residual> const& ending, host_view<Output> y) {
  static_assert(int8_layout<Layout>, "halfstep: linear_int8 takes layouts of INT8 codes with FP32 scales");
  detail::int8_operands<Layout, host_space> const in{x, x_scales, weight, groups};
  in.require();
  detail::int8_product(ex, in, detail::writer_of(ending, {x.rows(), weight.rows()}, y));
}

/// Stores y = x W^T + b in FP32; bias [1, M], or empty for none. Otherwise as above.
template <class Layout, host_executor Executor>
void linear_int8(Executor const& ex, host_view<std::int8_t const> x, host_view<float const> x_scales,
                 host_view<std::int8_t const> weight, host_view<float const> groups, host_view<float const> bias,
                 host_view<float> y) {
  linear_int8<Layout>(ex, x, x_scales, weight, groups, product_ending<host_space>{bias}, y);
}

}  // namespace halfstep
