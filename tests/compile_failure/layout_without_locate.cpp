// expect: halfstep: a layout needs bracket<code_type> locate(float, step_type)
// errors: 1
#ifdef HALFSTEP_MISTAKE
#define WITHOUT_LOCATE
#endif
#include "small_layout.hpp"

static_assert(halfstep::check_layout<small_layout>());
