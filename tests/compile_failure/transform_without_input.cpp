// expect: halfstep: a transform needs apply_to_input(executor, view<float>) const
// errors: 1
#ifdef HALFSTEP_MISTAKE
#define WITHOUT_INPUT
#endif
#include "small_transform.hpp"

static_assert(halfstep::check_transform<small_transform>());
