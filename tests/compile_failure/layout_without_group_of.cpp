// expect: halfstep: a layout needs index_t group_of(extents2, index_t row, index_t column)
// errors: 1
#ifdef HALFSTEP_MISTAKE
#define WITHOUT_GROUP_OF
#endif
#include "small_layout.hpp"

static_assert(halfstep::check_layout<small_layout>());
