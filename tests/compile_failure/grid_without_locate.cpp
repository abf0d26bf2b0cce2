// expect: halfstep: a grid needs bracket<code_type> locate(float, step_type)
// errors: 1
#ifdef HALFSTEP_MISTAKE
#define WITHOUT_LOCATE
#endif
#include "small_grid.hpp"

static_assert(halfstep::check_grid<small_grid>());
