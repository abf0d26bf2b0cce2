// A geometry whose members can be left out one by one, by defining WITHOUT_<MEMBER>.
#pragma once

#include <string_view>

#include <halfstep/layout/geometry/concept.hpp>

struct small_geometry {
#ifndef WITHOUT_NAME
  static constexpr std::string_view name = "small";
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
};
