// expect: halfstep: an objective needs double gradient(
// errors: 1
#ifdef HALFSTEP_MISTAKE
#define WITHOUT_GRADIENT
#endif
#include "small_optimizer.hpp"

static_assert(halfstep::check_objective<small_objective>());
