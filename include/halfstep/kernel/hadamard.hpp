// Hadamard transforms of a matrix's rows on the host. The device overloads are in hadamard.cuh.
#pragma once

#include <algorithm>
#include <cmath>
#include <string>

#include <halfstep/core/arithmetic.hpp>
#include <halfstep/core/matrix_view.hpp>
#include <halfstep/core/source.hpp>
#include <halfstep/exec/concept.hpp>
#include <halfstep/kernel/row_tiles.hpp>

namespace halfstep {

namespace detail {

/// One stage of the regular transform over `Count` values: four of them, `Stride` apart, become S / 2 - x3, .., S / 2 - x0. It
/// writes other memory than it reads, is inlined and knows its sizes: what the compiler needs to make vectors.
template <index_t Count, index_t Stride>
inline void rotate_fours(float const* x, float* y) {
  for (index_t base = 0; base < Count; base += 4 * Stride) {
    for (index_t k = base; k < base + Stride; ++k) {
      float const x0 = x[k], x1 = x[k + Stride], x2 = x[k + 2 * Stride], x3 = x[k + 3 * Stride];
      float const half = halved((x0 + x1) + (x2 + x3));
      y[k] = half - x3;
      y[k + Stride] = half - x2;
      y[k + 2 * Stride] = half - x1;
      y[k + 3 * Stride] = half - x0;
    }
  }
}

/// Rotates whole groups, `Count` values at a time, and returns how many values are left over.
template <index_t Group, index_t Count, class Source>
index_t rotate_groups(Source const* from, float* to, index_t count) {
  for (; count >= Count; from += Count, to += Count, count -= Count) {
    alignas(64) float x[Count];
    alignas(64) float y[Count];
    for (index_t k = 0; k < Count; ++k) x[k] = widen(from[k]);
    rotate_fours<Count, 1>(x, Group == 4 ? to : y);
    if constexpr (Group >= 16) rotate_fours<Count, 4>(y, Group == 16 ? to : x);
    if constexpr (Group >= 64) rotate_fours<Count, 16>(x, Group == 64 ? to : y);
    if constexpr (Group >= 256) rotate_fours<Count, 64>(y, Group == 256 ? to : x);
    if constexpr (Group >= 1024) rotate_fours<Count, 256>(x, to);
  }
  return count;
}

template <index_t Group, class Source>
void rotate_groups(Source const* from, float* to, index_t count) {
  constexpr index_t many = Group < 256 ? 256 : Group;
  index_t const done = count - rotate_groups<Group, many>(from, to, count);
  rotate_groups<Group, Group>(from + done, to + done, count - done);
}

template <class Source>
void rotate_groups(Source const* from, float* to, index_t count, int group) {
  switch (group) {
    case 4:
      return rotate_groups<4>(from, to, count);
    case 16:
      return rotate_groups<16>(from, to, count);
    case 64:
      return rotate_groups<64>(from, to, count);
    case 256:
      return rotate_groups<256>(from, to, count);
    default:
      return rotate_groups<1024>(from, to, count);
  }
}

inline void butterfly_stage(float* x, index_t count, index_t stride) {
  for (index_t base = 0; base < count; base += 2 * stride) {
    for (index_t k = base; k < base + stride; ++k) {
      float const a = x[k], b = x[k + stride];
      x[k] = a + b;
      x[k + stride] = a - b;
    }
  }
}

[[noreturn]] inline void refuse_group(index_t columns, int group, char const* what) {
  throw shape_error(stated(
      "shape.no_group", "halfstep: groups of {group} columns for {columns} columns: expected {wanted} that divides the columns",
      {{"group", group}, {"columns", columns}, {"wanted", what}}));
}

}  // namespace detail

/// Stores every row with its groups of `group` neighbouring columns multiplied by the regular Hadamard matrix of that size.
///
/// H4 = rows [1 1 1 -1], [1 1 -1 1], [1 -1 1 1], [-1 1 1 1]; H_{4^m} = H4 (x) .. (x) H4 / 2^m, symmetric and its own inverse.
/// `group` is 4, 16, 64, 256 or 1024 and divides the columns, else shape_error. Adds and exact halvings in FP32, in the order of
/// stride 1, 4, 16, ..: the same bits on every machine. `from` and `to` may be the same memory.
/// Source: the rotation of ComfyUI's ConvRot files.
template <host_executor Executor, source Source>
void hadamard_regular(Executor const& ex, host_view<Source const> from, host_view<float> to, int group) {
  require_extents(to.extents(), from.extents(), "halfstep: the output of hadamard_regular");
  bool const power = group == 4 || group == 16 || group == 64 || group == 256 || group == 1024;
  if (!power || from.columns() % group != 0) detail::refuse_group(from.columns(), group, "a power of four from 4 to 1024");
  row_tiles const tiles(from.extents());
  ex.for_each(tiles.count(), [&](index_t tile) {
    detail::rotate_groups(from.row(tiles.first(tile)), to.row(tiles.first(tile)), tiles.rows(tile) * from.columns(), group);
  });
}

/// Multiplies, in place, every group of `group` neighbouring columns by the Sylvester Hadamard matrix over sqrt(group).
///
/// Symmetric, orthonormal and its own inverse. `group` is a power of two that divides the columns, else shape_error. FP32, in
/// the order of stride 1, 2, 4, .., then one multiplication: the same bits on every machine.
template <host_executor Executor>
void hadamard(Executor const& ex, host_view<float> x, int group) {
  bool const power = group > 0 && (group & (group - 1)) == 0;
  if (!power || x.columns() % group != 0) detail::refuse_group(x.columns(), group, "a power of two");
  float const scale = static_cast<float>(1.0 / std::sqrt(static_cast<double>(group)));
  row_tiles const tiles(x.extents());
  ex.for_each(tiles.count(), [&](index_t tile) {
    float* const y = x.row(tiles.first(tile));
    for (index_t i = 0; i < tiles.rows(tile) * x.columns(); i += group) {
      for (index_t stride = 1; stride < group; stride *= 2) detail::butterfly_stage(y + i, group, stride);
      for (index_t k = i; k < i + group; ++k) y[k] *= scale;
    }
  });
}

/// Multiplies, in place, every column by the Sylvester Hadamard matrix over sqrt(rows): `hadamard` of the transpose.
///
/// The rows are a power of two, else shape_error. FP32, in the order of stride 1, 2, 4, .., then one multiplication: the same
/// bits on every machine.
template <host_executor Executor>
void hadamard_columns(Executor const& ex, host_view<float> x) {
  index_t const rows = x.rows();
  if (rows <= 0 || (rows & (rows - 1)) != 0)
    throw shape_error(stated("shape.no_power_of_two",
                             "halfstep: a Hadamard transform of columns of {rows} rows: expected a power of two",
                             {{"rows", rows}}));
  float const scale = static_cast<float>(1.0 / std::sqrt(static_cast<double>(rows)));
  constexpr index_t side = 64;
  ex.for_each((x.columns() + side - 1) / side, [&](index_t tile) {
    index_t const first = tile * side;
    index_t const last = std::min(x.columns(), first + side);
    for (index_t stride = 1; stride < rows; stride *= 2)
      for (index_t base = 0; base < rows; base += 2 * stride)
        for (index_t row = base; row < base + stride; ++row) {
          float* const low = x.row(row);
          float* const high = x.row(row + stride);
          for (index_t k = first; k < last; ++k) {
            float const a = low[k], b = high[k];
            low[k] = a + b;
            high[k] = a - b;
          }
        }
    for (index_t row = 0; row < rows; ++row)
      for (index_t k = first; k < last; ++k) x(row, k) *= scale;
  });
}

}  // namespace halfstep
