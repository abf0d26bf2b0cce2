// expect: halfstep: a rounding policy needs a static member max_error_steps
// errors: 1
#ifdef HALFSTEP_MISTAKE
#define WITHOUT_BOUND
#endif
#include "small_layout.hpp"

static_assert(halfstep::check_rounding<small_rounding, signed char>());
