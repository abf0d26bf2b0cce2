// expect: halfstep: a device executor needs int capability() const
// errors: 1
#ifdef HALFSTEP_MISTAKE
#define WITHOUT_CAPABILITY
#endif
#include "small_device_executor.hpp"

static_assert(halfstep::check_device_executor<small_device_executor>());
