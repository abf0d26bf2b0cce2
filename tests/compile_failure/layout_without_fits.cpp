// expect: halfstep: a layout needs bool fits(extents2)
// errors: 1
#ifdef HALFSTEP_MISTAKE
#define WITHOUT_FITS
#endif
#include "small_layout.hpp"

static_assert(halfstep::check_layout<small_layout>());
