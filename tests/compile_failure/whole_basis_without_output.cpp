// expect: halfstep: a basis that mixes rows needs invert_output(executor, view<float>) const
// errors: 1
#ifdef HALFSTEP_MISTAKE
#define WITHOUT_OUTPUT
#endif
#include "small_whole_basis.hpp"

static_assert(halfstep::check_whole_basis<small_whole_basis>());
