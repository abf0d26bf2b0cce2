// expect: halfstep: a layout needs a member type step_type
// errors: 1
#ifdef HALFSTEP_MISTAKE
#define WITHOUT_STEP_TYPE
#endif
#include "small_layout.hpp"

static_assert(halfstep::check_layout<small_layout>());
