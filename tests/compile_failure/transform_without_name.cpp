// expect: halfstep: a transform needs a static member name
// errors: 1
#ifdef HALFSTEP_MISTAKE
#define WITHOUT_NAME
#endif
#include "small_transform.hpp"

static_assert(halfstep::check_transform<small_transform>());
