// expect: halfstep: a transform needs bool fits(extents2) const
// errors: 1
#ifdef HALFSTEP_MISTAKE
#define WITHOUT_FITS
#endif
#include "small_transform.hpp"

static_assert(halfstep::check_transform<small_transform>());
