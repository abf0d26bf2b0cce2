// A layout composed of a grid, a geometry and a scale rule.
#pragma once

#include <halfstep/core/compiler.hpp>
#include <halfstep/layout/concept.hpp>
#include <halfstep/layout/geometry/concept.hpp>
#include <halfstep/layout/grid.hpp>
#include <halfstep/layout/scale_rule.hpp>

namespace halfstep {

/// Numbers of `Grid` times a scale that the elements of a group of `Geometry` share and that `ScaleRule` makes of their range.
///
/// A format derives from it and gives its `name`, which hides those of grid and geometry; that makes it a layout.
template <class Grid, class Geometry, class ScaleRule>
struct scaled : Grid, Geometry {
  static_assert(check_grid<Grid>());
  static_assert(check_geometry<Geometry>());
  static_assert(check_scale_rule<ScaleRule, Grid>());
  using grid = Grid;
  using geometry = Geometry;
  using scale_rule = ScaleRule;
  using group_type = typename ScaleRule::group_type;

  /// Returns what is stored for a group whose weights have this range.
  HALFSTEP_HD static group_type fit(value_range v) { return ScaleRule::template fit<Grid>(v); }

  /// Returns a stored group prepared for its elements.
  HALFSTEP_HD static typename Grid::step_type unpack(group_type group) { return Grid::unpack(ScaleRule::scale_of(group)); }
};

}  // namespace halfstep
