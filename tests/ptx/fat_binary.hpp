// The PTX that nvcc has put into a program.
#pragma once

#include <string>

namespace ptx {

/// Returns the module for a device of `capability`, such as 90: the newest whose target it can run; a target such as sm_90a is
/// for 9.0 alone. `wrapper` is what a program registers. Throws unknown where the PTX is compressed (nvcc needs --no-compress) or
/// none is for this device.
std::string ptx_of(void const* wrapper, int capability);

}  // namespace ptx
