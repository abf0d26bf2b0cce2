// expect: halfstep: a scale rule needs a member type group_type
// errors: 1
#include <halfstep/layout/scale_rule.hpp>
#include <halfstep/layout/symmetric_grid.hpp>

struct small_rule {
#ifndef HALFSTEP_MISTAKE
  using group_type = float;
#endif
  template <class Grid>
  static float fit(halfstep::value_range v) {
    return v.amax / Grid::last;
  }
  static float scale_of(float group) { return group; }
};

static_assert(halfstep::check_scale_rule<small_rule, halfstep::symmetric_grid<127>>());
