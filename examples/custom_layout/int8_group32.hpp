// A layout of one's own: INT8 codes, every 32 neighbours of a row share a scale.
#pragma once

#include <string_view>

#include <halfstep/layout/absmax_scale.hpp>
#include <halfstep/layout/symmetric_grid.hpp>

struct int8_group32 : halfstep::symmetric_grid<127> {
  static constexpr std::string_view name = "int8_group32";
  using group_type = float;
  using extents2 = halfstep::extents2;
  using index_t = halfstep::index_t;

  HALFSTEP_HD static constexpr bool fits(extents2 e) { return e.columns % 32 == 0; }
  HALFSTEP_HD static constexpr extents2 groups(extents2 e) { return {e.rows, e.columns / 32}; }
  HALFSTEP_HD static constexpr index_t run(extents2) { return 32; }
  HALFSTEP_HD static constexpr index_t group_of(extents2 e, index_t row, index_t column) {
    return row * (e.columns / 32) + column / 32;
  }
  HALFSTEP_HD static group_type fit(halfstep::value_range v) { return halfstep::absmax_scale<-30>::fit<int8_group32>(v); }
};
