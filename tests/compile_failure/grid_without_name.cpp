// expect: halfstep: a grid needs a static member name
// errors: 1
#ifdef HALFSTEP_MISTAKE
#define WITHOUT_NAME
#endif
#include "small_grid.hpp"

static_assert(halfstep::check_grid<small_grid>());
