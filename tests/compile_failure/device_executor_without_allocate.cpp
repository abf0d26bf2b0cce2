// expect: halfstep: a device executor needs allocate<T>(index_t count) const
// errors: 1
#ifdef HALFSTEP_MISTAKE
#define WITHOUT_ALLOCATE
#endif
#include "small_device_executor.hpp"

static_assert(halfstep::check_device_executor<small_device_executor>());
