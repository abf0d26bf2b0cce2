// expect: halfstep: a geometry needs bool fits(extents2)
// errors: 1
#ifdef HALFSTEP_MISTAKE
#define WITHOUT_FITS
#endif
#include "small_geometry.hpp"

static_assert(halfstep::check_geometry<small_geometry>());
