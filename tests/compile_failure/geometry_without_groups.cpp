// expect: halfstep: a geometry needs extents2 groups(extents2)
// errors: 1
#ifdef HALFSTEP_MISTAKE
#define WITHOUT_GROUPS
#endif
#include "small_geometry.hpp"

static_assert(halfstep::check_geometry<small_geometry>());
