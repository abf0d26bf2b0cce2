// --edit-quant: another program behind the same command line.
#pragma once

#include <atomic>
#include <string>
#include <vector>

#include "options.hpp"

namespace convert_to_quant {

/// Throws halfstep::usage_error where flags of an edit and of a conversion are `given` together.
void settle_edit(options& o, std::vector<std::string> const& given);

/// Edits the file that `o` names. Throws what the library throws; nothing is published then.
void edit(options const& o, std::atomic<bool> const& stop);

}  // namespace convert_to_quant
