// expect: halfstep: a schedule needs bool done(
// errors: 1
#ifdef HALFSTEP_MISTAKE
#define WITHOUT_DONE
#endif
#include "small_optimizer.hpp"

static_assert(halfstep::check_schedule<small_schedule>());
