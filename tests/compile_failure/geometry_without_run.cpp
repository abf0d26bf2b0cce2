// expect: halfstep: a geometry needs index_t run(extents2)
// errors: 1
#ifdef HALFSTEP_MISTAKE
#define WITHOUT_RUN
#endif
#include "small_geometry.hpp"

static_assert(halfstep::check_geometry<small_geometry>());
