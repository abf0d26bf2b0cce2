// expect: halfstep: a schedule needs float rate(
// errors: 1
#ifdef HALFSTEP_MISTAKE
#define WITHOUT_RATE
#endif
#include "small_optimizer.hpp"

static_assert(halfstep::check_schedule<small_schedule>());
