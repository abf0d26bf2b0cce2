// expect: binding reference of type
// errors: 1
#include <halfstep/core/buffer.hpp>

#ifdef HALFSTEP_MISTAKE
using numbers = halfstep::host_buffer<float> const;
#else
using numbers = halfstep::host_buffer<float>;
#endif

float& first(numbers& x) { return x[0]; }
