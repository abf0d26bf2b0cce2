// expect: halfstep: an optimizer needs state_type start(extents2)
// errors: 1
#ifdef HALFSTEP_MISTAKE
#define WITHOUT_START
#endif
#include "small_optimizer.hpp"

static_assert(halfstep::check_optimizer<small_optimizer>());
