// expect: halfstep: a scale rule needs group_type fit<Grid>(value_range)
// errors: 1
#include <halfstep/layout/scale_rule.hpp>
#include <halfstep/layout/symmetric_grid.hpp>

struct small_rule {
  using group_type = float;
#ifndef HALFSTEP_MISTAKE
  template <class Grid>
  static float fit(halfstep::value_range v) {
    return v.amax / Grid::last;
  }
#endif
  static float scale_of(float group) { return group; }
};

static_assert(halfstep::check_scale_rule<small_rule, halfstep::symmetric_grid<127>>());
