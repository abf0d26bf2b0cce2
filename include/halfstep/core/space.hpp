// Where memory lives, as types.
#pragma once

namespace halfstep {

/// Memory that host code dereferences.
struct host_space {};

/// Memory that device code dereferences.
struct device_space {};

}  // namespace halfstep
