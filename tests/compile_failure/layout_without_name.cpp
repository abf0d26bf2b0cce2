// expect: halfstep: a layout needs a static member name
// errors: 1
#ifdef HALFSTEP_MISTAKE
#define WITHOUT_NAME
#endif
#include "small_layout.hpp"

static_assert(halfstep::check_layout<small_layout>());
