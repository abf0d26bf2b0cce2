// expect: halfstep: a geometry needs a static member name
// errors: 1
#ifdef HALFSTEP_MISTAKE
#define WITHOUT_NAME
#endif
#include "small_geometry.hpp"

static_assert(halfstep::check_geometry<small_geometry>());
