// expect: halfstep: a layout needs step_type unpack(group_type)
// errors: 1
#ifdef HALFSTEP_MISTAKE
#define WITHOUT_UNPACK
#endif
#include "small_layout.hpp"

static_assert(halfstep::check_layout<small_layout>());
