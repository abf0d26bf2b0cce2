// The library's version: the one place it is stored.
#pragma once

#include <string_view>

namespace halfstep {

/// The library's version, as major.minor.patch; the build reads it from this line.
inline constexpr std::string_view version = "0.1.0";

}  // namespace halfstep
