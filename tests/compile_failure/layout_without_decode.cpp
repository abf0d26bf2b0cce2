// expect: halfstep: a layout needs float decode(code_type, step_type)
// errors: 1
#ifdef HALFSTEP_MISTAKE
#define WITHOUT_DECODE
#endif
#include "small_layout.hpp"

static_assert(halfstep::check_layout<small_layout>());
