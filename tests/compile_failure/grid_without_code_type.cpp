// expect: halfstep: a grid needs a member type code_type
// errors: 1
#ifdef HALFSTEP_MISTAKE
#define WITHOUT_CODE_TYPE
#endif
#include "small_grid.hpp"

static_assert(halfstep::check_grid<small_grid>());
