// expect: halfstep: an optimizer needs a member type state_type
// errors: 1
#ifdef HALFSTEP_MISTAKE
#define WITHOUT_STATE
#endif
#include "small_optimizer.hpp"

static_assert(halfstep::check_optimizer<small_optimizer>());
