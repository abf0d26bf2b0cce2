// --edit-quant: another program behind the same command line.
#pragma once

#include <atomic>

#include "options.hpp"

namespace convert_to_quant {

/// Throws halfstep::usage_error for an edit that changes nothing or plans layers; notes which flags change nothing.
void settle_edit(options& o);

/// Edits the file that `o` names. Throws what the library throws; nothing is published then.
void edit(options const& o, std::atomic<bool> const& stop);

}  // namespace convert_to_quant
