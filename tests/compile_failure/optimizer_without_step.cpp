// expect: halfstep: an optimizer needs step(
// errors: 1
#ifdef HALFSTEP_MISTAKE
#define WITHOUT_STEP
#endif
#include "small_optimizer.hpp"

static_assert(halfstep::check_optimizer<small_optimizer>());
