// expect: halfstep: a rounding policy needs Code operator()(bracket<Code>, index_t element) const
// errors: 1
#ifdef HALFSTEP_MISTAKE
#define WITHOUT_CHOICE
#endif
#include "small_layout.hpp"

static_assert(halfstep::check_rounding<small_rounding, signed char>());
