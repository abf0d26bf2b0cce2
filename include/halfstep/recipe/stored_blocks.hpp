// Which neighbouring codes share a scale: from the shape of the scales, and from what else says it.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include <halfstep/core/extents.hpp>
#include <halfstep/core/words.hpp>

namespace halfstep {

/// The sides of square blocks that formats document; shapes alone never make another.
///
/// Source: the reference system's block sizes; DeepSeek's and transformers' FP8 has 128.
inline constexpr std::array<index_t, 5> documented_block_sides{16, 32, 64, 128, 256};

/// The shape of blocks that something says besides the shape of the scales.
struct stated_blocks {
  extents2 shape = {};       ///< of one block; {0, 0} where nothing says it
  std::string by = {};       ///< what says it, such as "its marker"
  std::string problem = {};  ///< why a file that could say it does not, as the end of a sentence
};

/// Which codes share a scale, or why that cannot be told.
struct scale_sharing {
  extents2 group = {};        ///< rows and columns of neighbouring codes; the last ones of a row or column may be fewer
  std::string obstacle = {};  ///< as the end of a sentence; empty where `group` is known
};

/// Returns how many groups of the shape `group`, partial ones at the edges included, cover a matrix of shape `e`.
constexpr extents2 groups_over(extents2 e, extents2 group) {
  return {(e.rows + group.rows - 1) / group.rows, (e.columns + group.columns - 1) / group.columns};
}

namespace detail {

inline bool is_shape(std::vector<std::uint64_t> const& shape, extents2 e) {
  return shape.size() == 2 && shape[0] == static_cast<std::uint64_t>(e.rows) && shape[1] == static_cast<std::uint64_t>(e.columns);
}

inline std::string sides_text(extents2 block) { return std::to_string(block.rows) + " x " + std::to_string(block.columns); }

/// Returns the documented side with which square blocks of a matrix of shape `e` have scales of `shape`; nothing without one.
inline std::optional<index_t> documented_side(std::vector<std::uint64_t> const& shape, extents2 e) {
  auto const covers = [&](index_t side) { return is_shape(shape, groups_over(e, {side, side})); };
  auto const found = std::ranges::find_if(documented_block_sides, covers);
  return found == documented_block_sides.end() ? std::nullopt : std::optional(*found);
}

}  // namespace detail

/// Returns which codes of a weight of shape `e`, which is not empty, share one of the scales of shape `scales`.
///
/// One scale is the whole weight's; one a row is that row's; what is `stated` counts where the shape of the scales agrees with
/// it. Shapes alone decide for square blocks with a documented side that divides rows and columns, never for partial blocks.
inline scale_sharing scale_sharing_of(std::vector<std::uint64_t> const& scales, extents2 e, stated_blocks const& stated) {
  if (std::ranges::all_of(scales, [](std::uint64_t extent) { return extent == 1; })) return {e};
  auto const rows = static_cast<std::uint64_t>(e.rows);
  if (scales == std::vector{rows} || detail::is_shape(scales, {e.rows, 1})) return {{1, e.columns}};
  if (stated.shape.rows > 0 && stated.shape.columns > 0) {
    extents2 const wanted = groups_over(e, stated.shape);
    if (detail::is_shape(scales, wanted)) return {stated.shape};
    return {{},
            "its scales have the shape " + shape_text(scales) + ", and blocks of " + detail::sides_text(stated.shape) +
                ", which " + stated.by + " says, would have [" + std::to_string(wanted.rows) + ", " +
                std::to_string(wanted.columns) + "]"};
  }
  std::string const misfit = "scales of the shape " + shape_text(scales) + " do not fit its weight of [" +
                             std::to_string(e.rows) + ", " + std::to_string(e.columns) + "]";
  auto const side = detail::documented_side(scales, e);
  if (!side)
    return {{},
            misfit + ": there may be one, one a row, or one for each square block with a side of 16, 32, 64, 128 or 256" +
                stated.problem};
  if (e.rows % *side == 0 && e.columns % *side == 0) return {{*side, *side}};
  return {{},
          misfit + " in whole blocks, and nothing says that they are those of blocks of " + std::to_string(*side) +
              " with partial ones at the edges: a config.json beside the model does, with weight_block_size [" +
              std::to_string(*side) + ", " + std::to_string(*side) + "]" + stated.problem};
}

}  // namespace halfstep
