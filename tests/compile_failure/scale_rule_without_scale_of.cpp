// expect: halfstep: a scale rule needs float scale_of(group_type)
// errors: 1
#include <halfstep/layout/scale_rule.hpp>
#include <halfstep/layout/symmetric_grid.hpp>

struct small_rule {
  using group_type = float;
  template <class Grid>
  static float fit(halfstep::value_range v) {
    return v.amax / Grid::last;
  }
#ifndef HALFSTEP_MISTAKE
  static float scale_of(float group) { return group; }
#endif
};

static_assert(halfstep::check_scale_rule<small_rule, halfstep::symmetric_grid<127>>());
