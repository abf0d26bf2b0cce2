// expect: halfstep: a device executor needs handle() const
// errors: 1
#ifdef HALFSTEP_MISTAKE
#define WITHOUT_HANDLE
#endif
#include "small_device_executor.hpp"

static_assert(halfstep::check_device_executor<small_device_executor>());
