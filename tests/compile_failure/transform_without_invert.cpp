// expect: halfstep: a transform needs invert(executor, view<float>) const
// errors: 1
#ifdef HALFSTEP_MISTAKE
#define WITHOUT_INVERT
#endif
#include "small_transform.hpp"

static_assert(halfstep::check_transform<small_transform>());
