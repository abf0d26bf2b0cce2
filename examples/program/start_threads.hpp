// Threads that may be refused.
#pragma once

#include <halfstep/exec/threads.hpp>

namespace program {

/// Throws std::system_error where the system refuses the threads of `team`; otherwise they exist from here on.
///
/// OpenMP's own answer to a refusal is to end the program, so it is asked for threads only after somebody else got them.
void start(halfstep::threads const& team);

}  // namespace program
