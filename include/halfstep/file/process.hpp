// What the system knows of this process.
#pragma once

#include <algorithm>
#include <thread>

#include <unistd.h>

#if defined(__linux__)
#include <sched.h>
#endif

namespace halfstep::file {

/// Returns the number of this process; what `fork` makes of it has another.
inline long process_number() { return ::getpid(); }

/// Returns how many cores the calling thread may run on, at least 1: those that it is bound to where it is bound to some
/// (`taskset`, a container's set of cores), all of the machine elsewhere.
inline int usable_cores() {
#if defined(__linux__)
  ::cpu_set_t bound;
  if (::sched_getaffinity(0, sizeof(bound), &bound) == 0) return std::max(1, CPU_COUNT(&bound));  // fails beyond 1024 cores
#endif
  return std::max(1, static_cast<int>(std::thread::hardware_concurrency()));
}

}  // namespace halfstep::file
