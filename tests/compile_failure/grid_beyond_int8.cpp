// expect: halfstep: an INT8 grid has at most 127 steps on either side
#include <halfstep/layout/symmetric_grid.hpp>

#ifdef HALFSTEP_MISTAKE
inline constexpr int limit = 128;
#else
inline constexpr int limit = 127;
#endif

using code_type = halfstep::symmetric_grid<limit>::code_type;
