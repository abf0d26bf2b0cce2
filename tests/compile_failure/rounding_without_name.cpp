// expect: halfstep: a rounding policy needs a static member name
// errors: 1
#ifdef HALFSTEP_MISTAKE
#define WITHOUT_ROUNDING_NAME
#endif
#include "small_layout.hpp"

static_assert(halfstep::check_rounding<small_rounding, signed char>());
