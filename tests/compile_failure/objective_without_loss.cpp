// expect: halfstep: an objective needs double loss(
// errors: 1
#ifdef HALFSTEP_MISTAKE
#define WITHOUT_LOSS
#endif
#include "small_optimizer.hpp"

static_assert(halfstep::check_objective<small_objective>());
