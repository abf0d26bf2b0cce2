// expect: halfstep: a device executor needs void write(T const* from
// errors: 1
#ifdef HALFSTEP_MISTAKE
#define WITHOUT_WRITE
#endif
#include "small_device_executor.hpp"

static_assert(halfstep::check_device_executor<small_device_executor>());
