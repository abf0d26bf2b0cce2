// expect: halfstep: a basis that mixes rows needs extents2 original() const and padded() const
// errors: 1
#ifdef HALFSTEP_MISTAKE
#define WITHOUT_SHAPES
#endif
#include "small_whole_basis.hpp"

static_assert(halfstep::check_whole_basis<small_whole_basis>());
