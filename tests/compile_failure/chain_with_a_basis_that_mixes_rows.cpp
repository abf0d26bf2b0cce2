// expect: halfstep: this basis mixes rows
#include <halfstep/transform/chain.hpp>
#include <halfstep/transform/hadamard.hpp>
#include <halfstep/transform/two_sided_hadamard.hpp>

#ifdef HALFSTEP_MISTAKE
using links = halfstep::chain<halfstep::regular_hadamard, halfstep::two_sided_hadamard>;
#else
using links = halfstep::chain<halfstep::regular_hadamard, halfstep::regular_hadamard>;
#endif

links use() { return {}; }
