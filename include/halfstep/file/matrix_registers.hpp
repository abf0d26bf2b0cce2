// The system's leave to use the processor's matrix registers.
#pragma once

#if defined(__linux__) && defined(__x86_64__)
#include <sys/syscall.h>
#include <unistd.h>
#endif

namespace halfstep::file {

/// Asks for the tile registers of AMX and returns whether this process may use them: Linux keeps them from a process that has not
/// asked, because every thread that uses them takes 8 KiB more to switch. Asking again costs a call of the system and changes
/// nothing. False where the processor has none.
inline bool may_use_matrix_registers() {
#if defined(__linux__) && defined(__x86_64__)
  constexpr long ask_for_component = 0x1023;  // ARCH_REQ_XCOMP_PERM of <asm/prctl.h>, which older systems lack
  constexpr long tile_data = 18;
  return ::syscall(SYS_arch_prctl, ask_for_component, tile_data) == 0;
#else
  return false;
#endif
}

}  // namespace halfstep::file
