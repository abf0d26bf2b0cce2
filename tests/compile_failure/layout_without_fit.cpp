// expect: halfstep: a layout needs group_type fit(value_range)
// errors: 1
#ifdef HALFSTEP_MISTAKE
#define WITHOUT_FIT
#endif
#include "small_layout.hpp"

static_assert(halfstep::check_layout<small_layout>());
