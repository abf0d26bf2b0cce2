// expect: halfstep: a layout is an empty type
// errors: 1
#ifdef HALFSTEP_MISTAKE
#define WITHOUT_EMPTINESS
#endif
#include "small_layout.hpp"

static_assert(halfstep::check_layout<small_layout>());
