// expect: halfstep: a grid needs float decode(code_type, step_type)
// errors: 1
#ifdef HALFSTEP_MISTAKE
#define WITHOUT_DECODE
#endif
#include "small_grid.hpp"

static_assert(halfstep::check_grid<small_grid>());
