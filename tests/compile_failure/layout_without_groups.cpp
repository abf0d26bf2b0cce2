// expect: halfstep: a layout needs extents2 groups(extents2)
// errors: 1
#ifdef HALFSTEP_MISTAKE
#define WITHOUT_GROUPS
#endif
#include "small_layout.hpp"

static_assert(halfstep::check_layout<small_layout>());
