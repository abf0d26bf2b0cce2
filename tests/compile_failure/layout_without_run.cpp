// expect: halfstep: a layout needs index_t run(extents2)
// errors: 1
#ifdef HALFSTEP_MISTAKE
#define WITHOUT_RUN
#endif
#include "small_layout.hpp"

static_assert(halfstep::check_layout<small_layout>());
