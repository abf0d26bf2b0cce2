// expect: halfstep: a transform needs apply(executor, view<float>) const
// errors: 1
#ifdef HALFSTEP_MISTAKE
#define WITHOUT_APPLY
#endif
#include "small_transform.hpp"

static_assert(halfstep::check_transform<small_transform>());
