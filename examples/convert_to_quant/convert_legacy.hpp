// --convert-legacy: markers for a file in an older form.
#pragma once

#include <atomic>

#include "options.hpp"

namespace convert_to_quant {

/// Writes the input again with markers, and prints what there is to say; `stop` turns true when a signal came.
void convert_legacy(options const& o, std::atomic<bool> const& stop);

}  // namespace convert_to_quant
