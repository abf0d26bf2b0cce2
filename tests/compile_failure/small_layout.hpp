// A layout and a rounding whose members can be left out one by one, by defining WITHOUT_<MEMBER>.
#pragma once

#include <string_view>

#include <halfstep/layout/concept.hpp>
#include <halfstep/layout/symmetric_grid.hpp>
#include <halfstep/rounding/concept.hpp>

struct small_layout {
  using grid = halfstep::symmetric_grid<127>;
#ifdef WITHOUT_EMPTINESS
  int side = 16;
#endif
#ifndef WITHOUT_NAME
  static constexpr std::string_view name = "small";
#endif
#ifndef WITHOUT_CODE_TYPE
  using code_type = grid::code_type;
#endif
#ifndef WITHOUT_GROUP_TYPE
  using group_type = float;
#endif
#ifndef WITHOUT_STEP_TYPE
  using step_type = grid::step_type;
#endif
#ifndef WITHOUT_FITS
  static constexpr bool fits(halfstep::extents2) { return true; }
#endif
#ifndef WITHOUT_GROUPS
  static constexpr halfstep::extents2 groups(halfstep::extents2 e) { return {e.rows, 1}; }
#endif
#ifndef WITHOUT_RUN
  static constexpr halfstep::index_t run(halfstep::extents2 e) { return e.columns; }
#endif
#ifndef WITHOUT_GROUP_OF
  static constexpr halfstep::index_t group_of(halfstep::extents2, halfstep::index_t row, halfstep::index_t) { return row; }
#endif
#ifndef WITHOUT_FIT
  static float fit(halfstep::value_range v) { return v.amax / 127.0f; }
#endif
#ifndef WITHOUT_UNPACK
  static grid::step_type unpack(float scale) { return grid::unpack(scale); }
#endif
#ifndef WITHOUT_LOCATE
  static halfstep::bracket<grid::code_type> locate(float x, grid::step_type s) { return grid::locate(x, s); }
#endif
#ifndef WITHOUT_DECODE
  static float decode(grid::code_type q, grid::step_type s) { return grid::decode(q, s); }
#endif
};

struct small_rounding {
#ifndef WITHOUT_ROUNDING_NAME
  static constexpr std::string_view name = "small";
#endif
#ifndef WITHOUT_BOUND
  static constexpr float max_error_steps = 0.5f;
#endif
#ifndef WITHOUT_CHOICE
  template <class Code>
  Code operator()(halfstep::bracket<Code> b, halfstep::index_t) const {
    return b.nearer;
  }
#endif
};
