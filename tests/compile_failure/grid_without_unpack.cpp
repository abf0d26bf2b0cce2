// expect: halfstep: a grid needs step_type unpack(float)
// errors: 1
#ifdef HALFSTEP_MISTAKE
#define WITHOUT_UNPACK
#endif
#include "small_grid.hpp"

static_assert(halfstep::check_grid<small_grid>());
