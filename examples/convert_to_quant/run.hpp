// The job itself: from options to a published file.
#pragma once

#include <atomic>

#include "options.hpp"

namespace convert_to_quant {

/// Does what `o` asks for and prints what there is to say; `stop` turns true when a signal came.
///
/// Throws what the library throws, and quality_error; nothing is published then.
void run(options const& o, std::atomic<bool> const& stop);

}  // namespace convert_to_quant
