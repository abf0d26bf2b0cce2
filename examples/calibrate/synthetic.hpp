// Statistics of inputs that nobody captured.
#pragma once

#include "options.hpp"

namespace calibrate {

/// Writes the largest magnitudes that random inputs of the model's layers have. Throws what the library throws; nothing is
/// published then.
void write_synthetic(options const& o);

}  // namespace calibrate
