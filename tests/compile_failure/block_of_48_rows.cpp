// expect: halfstep: a block's side is a power of two from 16 to 256
#include <halfstep/layout/int8_block.hpp>

#ifdef HALFSTEP_MISTAKE
inline constexpr int side = 48;
#else
inline constexpr int side = 64;
#endif

static_assert(halfstep::int8_block<side>::run({side, side}) == side);
