// The storage formats, one row each: what all that names, plans, writes and checks them needs to know.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include <halfstep/core/dtype.hpp>

namespace halfstep {

/// The storage formats, one for each layout family.
enum class scheme : std::uint8_t { int8_block, int8_axis, int8_tensor, fp16, fp8_tensor, fp8_block };

/// What shares a scale.
enum class scaling : std::uint8_t { none, tensor, row, block };

/// On which grid codes lie: solvers work on a grid, whatever shares a scale.
enum class grid_kind : std::uint8_t { none, int8, e4m3 };

/// A storage format as files, markers and solvers see it.
struct scheme_facts {
  scheme format;
  std::string_view name;   ///< that of the layout, and in markers but for axis scales
  std::string_view words;  ///< of the command line, such as "int8"
  dtype codes;
  scaling scales;
  grid_kind grid;
};

/// All formats, in the order of `scheme`.
inline constexpr std::array<scheme_facts, 6> scheme_table{{
    {scheme::int8_block, "int8_blockwise", "int8", dtype::i8, scaling::block, grid_kind::int8},
    {scheme::int8_axis, "int8_axiswise", "int8", dtype::i8, scaling::row, grid_kind::int8},
    {scheme::int8_tensor, "int8_tensorwise", "int8", dtype::i8, scaling::tensor, grid_kind::int8},
    {scheme::fp16, "fp16", "fp16", dtype::f16, scaling::none, grid_kind::none},
    {scheme::fp8_tensor, "float8_e4m3fn", "fp8", dtype::f8_e4m3, scaling::tensor, grid_kind::e4m3},
    {scheme::fp8_block, "float8_e4m3fn_blockwise", "fp8", dtype::f8_e4m3, scaling::block, grid_kind::e4m3},
}};

/// Returns the row of `format`.
constexpr scheme_facts const& facts_of(scheme format) { return scheme_table[static_cast<std::size_t>(format)]; }

/// Returns the name that the layout of `format` carries.
constexpr std::string_view name_of(scheme format) { return facts_of(format).name; }

/// Returns whether layers stored as `format` have blocks of a size that is chosen.
constexpr bool has_blocks(scheme format) { return facts_of(format).scales == scaling::block; }

/// Returns whether layers stored as `format` have scales, and markers to tell a loader of them.
constexpr bool has_scales(scheme format) { return facts_of(format).scales != scaling::none; }

}  // namespace halfstep
