// A group for every square tile.
#pragma once

#include <string_view>

#include <halfstep/core/compiler.hpp>
#include <halfstep/core/extents.hpp>

namespace halfstep {

/// The geometry of Side x Side tiles: companion tensor [M / Side, N / Side]; M and N must be multiples of `Side`.
template <int Side>
struct per_block {
  static_assert(Side >= 16 && Side <= 256 && (Side & (Side - 1)) == 0,
                "halfstep: a block's side is a power of two from 16 to 256");

  static constexpr std::string_view name = "block";
  static constexpr int side = Side;
  using transpose = per_block;

  HALFSTEP_HD static constexpr bool fits(extents2 e) { return e.rows % Side == 0 && e.columns % Side == 0; }
  HALFSTEP_HD static constexpr extents2 groups(extents2 e) { return {e.rows / Side, e.columns / Side}; }
  HALFSTEP_HD static constexpr index_t run(extents2) { return Side; }
  HALFSTEP_HD static constexpr index_t group_of(extents2 e, index_t row, index_t column) {
    return row / Side * (e.columns / Side) + column / Side;
  }
};

}  // namespace halfstep
