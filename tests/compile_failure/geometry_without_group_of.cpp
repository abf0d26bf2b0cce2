// expect: halfstep: a geometry needs index_t group_of(extents2, index_t row, index_t column)
// errors: 1
#ifdef HALFSTEP_MISTAKE
#define WITHOUT_GROUP_OF
#endif
#include "small_geometry.hpp"

static_assert(halfstep::check_geometry<small_geometry>());
