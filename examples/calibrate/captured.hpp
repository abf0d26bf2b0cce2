// Statistics of captured activations.
#pragma once

#include <halfstep/exec/any_host.hpp>

#include "options.hpp"

namespace calibrate {

/// Writes the statistics of the files that `o` names. Throws what the library throws; nothing is published then.
void write_captured(options const& o, halfstep::any_host const& team);

}  // namespace calibrate
